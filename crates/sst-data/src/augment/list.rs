//! The kinds of augmentation there are, by name.

use serde_json::Value;

use super::entry::Entry;
use super::{
    Augment, AugmentError, Context, back_translation, crop, deletion, mask, swap, synonym,
};

/// One word a kind.
const KINDS: &[Entry] = &[
    mask::ENTRY,
    deletion::ENTRY,
    swap::ENTRY,
    crop::ENTRY,
    synonym::ENTRY,
    back_translation::ENTRY,
];

/// All kinds.
pub fn list() -> &'static [Entry] {
    KINDS
}

/// Builds kind `name` from its configuration: an object without the name; absent keys take their
/// defaults.
///
/// # Errors
/// If there is no such kind, a key is unknown or cannot be, or a file it needs cannot be read.
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
