//! The list of augmentations, by name.

use serde_json::Value;

use super::entry::Entry;
use super::{
    Augment, AugmentError, Context, back_translation, crop, deletion, mask, swap, synonym,
};

/// One entry for each augmentation.
const KINDS: &[Entry] = &[
    mask::ENTRY,
    deletion::ENTRY,
    swap::ENTRY,
    crop::ENTRY,
    synonym::ENTRY,
    back_translation::ENTRY,
];

/// All augmentations.
pub fn list() -> &'static [Entry] {
    KINDS
}

/// Builds the augmentation `name` from its configuration, an object without the name. Missing keys have their
/// defaults.
///
/// # Errors
/// If there is no such augmentation, a key is unknown or has an invalid value, or a required file cannot be read.
pub fn build(
    name: &str,
    config: &Value,
    context: &Context,
) -> Result<Box<dyn Augment>, AugmentError> {
    let entry = KINDS.iter().find(|entry| entry.name == name).ok_or_else(|| {
        let known = KINDS.iter().map(|entry| entry.name).collect();
        AugmentError::Unknown { name: name.to_owned(), known }
    })?;
    (entry.build)(config, context)
}
