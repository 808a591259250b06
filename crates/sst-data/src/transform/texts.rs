//! A transform of the texts of an example, one after the other.

use super::{Transform, TransformError};
use crate::example::{Example, Field};
use crate::rng::SeqRng;

/// A change of one text.
pub(super) trait Change: Send + Sync {
    /// The changed text.
    fn change(&self, text: &str, rng: &mut SeqRng) -> String;
}

/// Changes the texts of some columns.
pub(super) struct Texts<T> {
    /// The columns; none for all.
    pub(super) columns: Vec<String>,
    pub(super) change: T,
}

/// Calls `change` with the text of each of `columns`, or of every column with a text if none is named.
pub(super) fn for_each_text(
    mut example: Example,
    columns: &[String],
    mut change: impl FnMut(&Example, &str) -> Result<String, TransformError>,
) -> Result<Example, TransformError> {
    let is_text = |field: &Field| matches!(field, Field::Text(_));
    let names: Vec<String> = match columns {
        [] => {
            let texts = example.fields.iter().filter(|(_, field)| is_text(field));
            texts.map(|(name, _)| name.to_string()).collect()
        }
        named => named.to_vec(),
    };
    for name in names {
        let no_text = || TransformError::NoText { key: example.key.clone(), column: name.clone() };
        let text = change(&example, example.text(&name).ok_or_else(no_text)?)?;
        example.fields.insert(name.into(), Field::Text(text));
    }
    Ok(example)
}

impl<T: Change> Transform for Texts<T> {
    fn apply(&self, example: Example, rng: &mut SeqRng) -> Result<Example, TransformError> {
        for_each_text(example, &self.columns, |_, text| Ok(self.change.change(text, rng)))
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }
}
