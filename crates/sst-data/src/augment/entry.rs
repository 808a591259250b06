//! An entry of the list of augmentations.

use serde_json::Value;

use super::{Augment, AugmentError, Context};

/// Builds an augmentation from its configuration.
type Build = fn(&Value, &Context) -> Result<Box<dyn Augment>, AugmentError>;

/// An entry of the list of augmentations.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name by which it is asked for.
    pub name: &'static str,
    /// A one-line description for users.
    pub summary: &'static str,
    /// Every configuration key with its default.
    pub default_config: fn() -> Value,
    pub(super) build: Build,
}
