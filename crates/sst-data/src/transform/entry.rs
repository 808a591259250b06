//! The entry of a transform in the list.

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Transform, TransformError};
use crate::config_problem;

pub use crate::augment::Context;

/// Builds a transform from its configuration.
pub(super) type Build = fn(&Value, &Context) -> Result<Box<dyn Transform>, TransformError>;

/// Everything that the rest of sst needs to know about a transform.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name of the transform in a recipe.
    pub name: &'static str,
    /// One line for `sst list`.
    pub summary: &'static str,
    /// Every configuration key with its default.
    pub default_config: fn() -> Value,
    /// Whether the transform draws random numbers. Random transforms augment training rows and are not applied to rows
    /// that a model is evaluated on.
    pub is_random: bool,
    /// Whether the transform has keys that `default_config` lacks, and checks them itself.
    pub takes_other_keys: bool,
    pub(super) build: Build,
}

/// Deserializes the configuration of `transform`. The type `T` sets the defaults of absent keys and refuses unknown keys.
pub(crate) fn parse<T: DeserializeOwned>(
    transform: &'static str,
    config: &Value,
) -> Result<T, TransformError> {
    T::deserialize(config).map_err(|error| {
        let (_, reason) = config_problem::<T>(config, &error);
        TransformError::Config { transform, reason }
    })
}
