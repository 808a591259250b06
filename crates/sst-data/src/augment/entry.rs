//! What the list of kinds knows of each.

use serde_json::Value;

use super::{Augment, AugmentError, Context};

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
