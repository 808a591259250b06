//! Transforms that change each text of an example separately.

use super::{Transform, TransformError};
use crate::example::{Example, Field};
use crate::rng::SeqRng;

/// A change of one text.
pub(super) trait TextChange: Send + Sync {
    /// Returns the changed text.
    fn change(&self, text: &str, rng: &mut SeqRng) -> String;
}

/// The transform that applies a [`TextChange`] to some columns.
pub(super) struct TextTransform<T> {
    /// The columns; empty for all text columns.
    pub(super) columns: Vec<String>,
    pub(super) change: T,
}

/// Replaces the text of each of `columns` by the result of `change`. If `columns` is empty, it does so for all text
/// columns.
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
        columns => columns.to_vec(),
    };
    for name in names {
        let no_text = || TransformError::NoText { key: example.key.clone(), column: name.clone() };
        let text = change(&example, example.text(&name).ok_or_else(no_text)?)?;
        example.fields.insert(name.into(), Field::Text(text));
    }
    Ok(example)
}

impl<T: TextChange> Transform for TextTransform<T> {
    fn apply(&self, example: Example, rng: &mut SeqRng) -> Result<Example, TransformError> {
        for_each_text(example, &self.columns, |_, text| Ok(self.change.change(text, rng)))
    }

    fn columns(&self) -> &[String] {
        &self.columns
    }
}
