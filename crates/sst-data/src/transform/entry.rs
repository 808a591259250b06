//! What the list knows of a transform.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Transform, TransformError};

pub use crate::augment::Context;

/// Builds a transform from its configuration.
pub(super) type Build = fn(&Value, &Context) -> Result<Box<dyn Transform>, TransformError>;

/// What the list knows of a transform.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name.
    pub name: &'static str,
    /// A line for those who choose.
    pub summary: &'static str,
    /// Every configuration key with its default.
    pub default_config: fn() -> Value,
    /// Whether what it does is drawn anew each time, to learn from more than there is: not for what is measured on.
    pub is_random: bool,
    /// Whether it takes keys that `default_config` lacks and checks them itself.
    pub takes_other_keys: bool,
    pub(super) build: Build,
}

/// The configuration of `transform`; absent keys take their defaults, and unknown ones are refused by its type.
pub(super) fn parse<T: DeserializeOwned>(
    transform: &'static str,
    config: &Value,
) -> Result<T, TransformError> {
    T::deserialize(config)
        .map_err(|error| TransformError::Config { transform, reason: error.to_string() })
}
