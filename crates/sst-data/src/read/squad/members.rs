//! The members of an object, by the places of their values.

use std::collections::HashSet;
use std::ops::Range;

use super::super::json::Fields;
use super::super::json_text::{self, kind_of};
use super::super::limits::MAX_FIELDS;
use super::Place;

/// The members of an object that are not taken yet, in their order.
#[derive(Debug)]
pub(super) struct Members {
    places: Vec<Place>,
}

impl Members {
    /// The members of the object at `range` of `bytes`. All of the object is checked. The error is the rest of a sentence
    /// that begins with what the object is.
    pub(super) fn read(bytes: &[u8], range: &Range<usize>) -> Result<Self, String> {
        let object = &bytes[range.clone()];
        let fields = Fields::of(object);
        let kind = || kind_of(object.trim_ascii());
        let mut fields =
            fields.map_err(|_| format!("is {}, not an object: check the format", kind()))?;
        let (mut places, mut names) = (Vec::new(), HashSet::new());
        loop {
            let member = fields.next().map_err(|error| {
                format!("is not valid JSON ({}): write the file again", error.what)
            })?;
            let Some(member) = member else { return Ok(Self { places }) };
            let name = json_text::name(member.name);
            if !names.insert(name.clone()) {
                return Err(format!("has the key `{name}` twice: remove one of them"));
            }
            if names.len() > MAX_FIELDS {
                return Err(format!("has more than {MAX_FIELDS} keys: check the format"));
            }
            let start = range.start + member.at;
            places.push((name.into_owned(), start..start + member.value.len()));
        }
    }

    /// Takes the member of the first of `names` that the object has.
    pub(super) fn take(&mut self, names: &[&str]) -> Option<Range<usize>> {
        let position = |name: &&str| self.places.iter().position(|(other, _)| other == name);
        let at = names.iter().find_map(position)?;
        Some(self.places.remove(at).1)
    }

    /// The members that were not taken. `prefix` is put in front of their names.
    pub(super) fn rest(self, prefix: &str) -> impl Iterator<Item = Place> {
        self.places.into_iter().map(move |(name, range)| (format!("{prefix}{name}"), range))
    }
}
