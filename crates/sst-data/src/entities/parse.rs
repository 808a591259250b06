//! Takes labels apart, and reads the names of schemes.

use std::str::FromStr;

use super::error::EntityError;
use super::label::{Label, Position};
use super::scheme::EntityScheme;

impl<'a> Label<'a> {
    /// Takes a label of any scheme apart. The type is everything after the first hyphen.
    pub(super) fn parse(text: &'a str) -> Result<Self, EntityError> {
        if text == "O" {
            return Ok(Self::OUTSIDE);
        }
        let bad = || EntityError::BadLabel(text.to_owned());
        let mut characters = text.chars();
        let position = match characters.next() {
            Some('B') => Position::Begin,
            Some('I' | 'M') => Position::Inside,
            Some('E' | 'L') => Position::End,
            Some('S' | 'U' | 'W') => Position::Single,
            _ => return Err(bad()),
        };
        let kind = match characters.as_str() {
            "" => "",
            rest => rest.strip_prefix('-').filter(|kind| !kind.is_empty()).ok_or_else(bad)?,
        };
        Ok(Self { position, kind })
    }
}

/// Takes the labels of a sequence apart.
pub(super) fn parse_all<S: AsRef<str>>(labels: &[S]) -> Result<Vec<Label<'_>>, EntityError> {
    labels.iter().map(|label| Label::parse(label.as_ref())).collect()
}

impl EntityScheme {
    /// Takes the labels of a sequence apart and refuses those of other schemes.
    pub(super) fn parse_all<S: AsRef<str>>(
        self,
        labels: &[S],
    ) -> Result<Vec<Label<'_>>, EntityError> {
        let parsed = parse_all(labels)?;
        for (text, label) in labels.iter().zip(&parsed) {
            let text = text.as_ref();
            if !self.has(label.position) || !text.starts_with(self.letter(label.position)) {
                return Err(EntityError::OtherScheme { label: text.to_owned(), scheme: self });
            }
        }
        Ok(parsed)
    }
}

/// Reads a name in capital or small letters. `BIO`, `IOBES`, `BMESO` and `BIOUL` are other names of IOB2, BIOES, BMES
/// and BILOU.
impl FromStr for EntityScheme {
    type Err = EntityError;

    fn from_str(name: &str) -> Result<Self, EntityError> {
        let upper = name.to_ascii_uppercase();
        let canonical = match upper.as_str() {
            "BIO" | "BIO2" => "IOB2",
            "IOBES" => "BIOES",
            "BMESO" => "BMES",
            "BIOUL" => "BILOU",
            other => other,
        };
        let found = Self::ALL.into_iter().find(|scheme| scheme.name() == canonical);
        found.ok_or_else(|| EntityError::UnknownScheme { name: name.to_owned() })
    }
}
