//! The entry of a transform of pictures in the list.

use serde_json::Value;

use super::Step;
use crate::transform::TransformError;

pub(super) use crate::transform::parse;

/// Everything that the rest of sst needs to know about a transform of pictures.
#[derive(Debug, Clone, Copy)]
pub struct PictureEntry {
    /// The name of the transform in a recipe.
    pub name: &'static str,
    /// One line for `sst list`.
    pub summary: &'static str,
    /// Every configuration key with its default.
    pub default_config: fn() -> Value,
    /// Whether the transform draws random numbers. Random transforms augment training rows and are not applied to rows
    /// that a model is evaluated on.
    pub is_random: bool,
    pub(super) build: fn(&Value) -> Result<Step, TransformError>,
}

/// Refuses the configuration of `transform` if `is_valid` is false.
pub(super) fn require(
    transform: &'static str,
    is_valid: bool,
    reason: impl Into<String>,
) -> Result<(), TransformError> {
    match is_valid {
        true => Ok(()),
        false => Err(TransformError::Config { transform, reason: reason.into() }),
    }
}

/// Refuses a probability that is not from 0 to 1.
pub(super) fn require_probability(transform: &'static str, p: f64) -> Result<(), TransformError> {
    require(transform, (0.0..=1.0).contains(&p), format!("p is {p} and must be from 0 to 1"))
}
