//! The transforms there are, by name.

use serde_json::Value;

use super::entry::{Context, Entry};
use super::{
    Transform, TransformError, augment, clean, lowercase, random_crop, shuffle_sentences,
    truncate_words,
};

/// One word a transform.
const TRANSFORMS: &[Entry] = &[
    clean::ENTRY,
    lowercase::ENTRY,
    truncate_words::ENTRY,
    random_crop::ENTRY,
    shuffle_sentences::ENTRY,
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

/// The transform `name`, if there is one.
pub(super) fn find(name: &str) -> Result<&'static Entry, TransformError> {
    let unknown = || TransformError::Unknown { name: name.to_owned(), known: names() };
    TRANSFORMS.iter().find(|entry| entry.name == name).ok_or_else(unknown)
}

/// Builds transform `name` from its configuration: an object without the name; absent keys take their defaults.
///
/// # Errors
/// If there is no such transform, or a key is unknown or cannot be.
pub fn build(
    name: &str,
    config: &Value,
    context: &Context,
) -> Result<Box<dyn Transform>, TransformError> {
    (find(name)?.build)(config, context)
}
