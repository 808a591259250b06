//! The list of transforms, by name.

use serde_json::Value;

use super::entry::{Context, Entry};
use super::{
    Transform, TransformError, augment, clean, drop_phrases, lowercase, random_crop,
    shuffle_sentences, truncate_words,
};

/// The registered transforms, one word each.
const TRANSFORMS: &[Entry] = &[
    clean::ENTRY,
    lowercase::ENTRY,
    truncate_words::ENTRY,
    random_crop::ENTRY,
    shuffle_sentences::ENTRY,
    drop_phrases::ENTRY,
    augment::ENTRY,
];

/// All transforms.
pub fn list() -> &'static [Entry] {
    TRANSFORMS
}

/// The names of all transforms.
pub(super) fn names() -> Vec<&'static str> {
    TRANSFORMS.iter().map(|entry| entry.name).collect()
}

/// The entry of the transform `name`.
pub(super) fn find(name: &str) -> Result<&'static Entry, TransformError> {
    let unknown = || TransformError::Unknown { name: name.to_owned(), known: names() };
    TRANSFORMS.iter().find(|entry| entry.name == name).ok_or_else(unknown)
}

/// Builds the transform `name`. `config` is a JSON object without the key `name`; absent keys take their defaults.
///
/// # Errors
/// If there is no such transform, or a key is unknown or has an invalid value.
pub fn build(
    name: &str,
    config: &Value,
    context: &Context,
) -> Result<Box<dyn Transform>, TransformError> {
    (find(name)?.build)(config, context)
}
