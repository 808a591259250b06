//! The table of labels that the outputs of a model stand for.

use super::error::EntityError;
use super::label::{Label, Position};
use super::parse::parse_all;
use super::scheme::EntityScheme;

/// The labels of a scheme for some types of entities, by their indices: the outputs of a head that labels tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityLabels {
    scheme: EntityScheme,
    names: Vec<String>,
    types: Vec<String>,
}

impl EntityLabels {
    /// `O`, and then for each type every label of the scheme, such as `B-PER` and `I-PER`.
    pub fn new(types: &[String], scheme: EntityScheme) -> Self {
        let positions = [Position::Begin, Position::Inside, Position::End, Position::Single];
        let mut names = vec!["O".to_owned()];
        for kind in types {
            for position in positions.into_iter().filter(|position| scheme.has(*position)) {
                let letter = scheme.letter(position);
                let is_typed = !kind.is_empty();
                names.push(if is_typed { format!("{letter}-{kind}") } else { letter.to_string() });
            }
        }
        Self { scheme, names, types: types.to_vec() }
    }

    /// Reads the names of the outputs of a model, in any order. The scheme is the first one of [`EntityScheme::ALL`] that
    /// has all these labels, and IO if none of them begins with `B`: a table alone cannot tell IOB1 from IOB2.
    ///
    /// # Errors
    /// [`EntityError::BadLabel`] for a label of no scheme, [`EntityError::NoScheme`] if no scheme has all of them, and
    /// [`EntityError::NoOutside`] if none of them is `O`.
    pub fn of(names: &[String]) -> Result<Self, EntityError> {
        let labels = parse_all(names)?;
        if !labels.contains(&Label::OUTSIDE) {
            return Err(EntityError::NoOutside { labels: names.join(", ") });
        }
        let has_begin = labels.iter().any(|label| label.position == Position::Begin);
        let is_io = !has_begin && EntityScheme::Io.parse_all(names).is_ok();
        let fits = |scheme: &EntityScheme| scheme.parse_all(names).is_ok();
        let scheme = match is_io {
            true => Some(EntityScheme::Io),
            false => EntityScheme::ALL.into_iter().find(fits),
        };
        let scheme = scheme.ok_or_else(|| EntityError::NoScheme { labels: names.join(", ") })?;
        let mut types: Vec<String> = Vec::new();
        for label in labels.iter().filter(|label| label.position != Position::Outside) {
            if !types.iter().any(|known| known == label.kind) {
                types.push(label.kind.to_owned());
            }
        }
        Ok(Self { scheme, names: names.to_vec(), types })
    }

    /// The scheme.
    pub fn scheme(&self) -> EntityScheme {
        self.scheme
    }

    /// The labels.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The types of entities, in the order in which they first occur among the labels.
    pub fn types(&self) -> &[String] {
        &self.types
    }

    /// The index of a label; `None` if the table does not have it.
    pub fn index(&self, label: &str) -> Option<usize> {
        self.names.iter().position(|name| name == label)
    }

    /// The first label of [`EntityLabels::new`] for these types that the table does not have, if there is one. A model
    /// cannot be trained on an entity that would need it.
    pub fn missing(&self) -> Option<String> {
        let all = Self::new(&self.types, self.scheme).names;
        all.into_iter().find(|label| self.index(label).is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn every_scheme_is_read_back_from_its_own_table() {
        let types = owned(&["PER", "LOC"]);
        for scheme in EntityScheme::ALL {
            let table = EntityLabels::new(&types, scheme);
            let read = EntityLabels::of(table.names()).unwrap();
            // The labels of IOB1 are those of IOB2.
            let expected = if scheme == EntityScheme::Iob1 { EntityScheme::Iob2 } else { scheme };
            assert_eq!((read.scheme(), read.types()), (expected, &types[..]), "{scheme}");
            assert_eq!(read.missing(), None);
        }
        let table = EntityLabels::new(&types, EntityScheme::Bioes);
        assert_eq!(table.names()[..5], ["O", "B-PER", "I-PER", "E-PER", "S-PER"]);
        assert_eq!((table.index("S-LOC"), table.index("M-LOC")), (Some(8), None));
    }

    #[test]
    fn the_order_of_a_model_is_kept_and_what_it_lacks_is_told() {
        let table = EntityLabels::of(&owned(&["I-LOC", "O", "B-PER", "I-PER"])).unwrap();
        assert_eq!((table.types(), table.index("O")), (&owned(&["LOC", "PER"])[..], Some(1)));
        assert_eq!(table.missing(), Some("B-LOC".to_owned()));
        let error = |names: &[&str]| EntityLabels::of(&owned(names)).unwrap_err().to_string();
        assert!(error(&["LABEL_0", "LABEL_1"]).contains("LABEL_0"));
        assert!(error(&["B-PER", "I-PER"]).contains("`O`"));
        assert!(error(&["O", "M-PER", "L-PER"]).contains("M-PER"));
    }
}
