//! The kinds of augmentation there are, by name.

use serde_json::Value;

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

/// Builds a kind from its configuration.
type Build = fn(&Value, &Context) -> Result<Box<dyn Augment>, AugmentError>;

/// What the list knows of a kind.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// A line for those who choose.
    pub summary: &'static str,
    /// Every configuration key with its default.
    pub default_config: fn() -> Value,
    pub(super) build: Build,
}

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
