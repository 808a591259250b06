//! What the configurations of models are checked for.

use crate::error::ModelError;

/// An error about `key`.
pub(crate) fn bad(key: &str, message: &str) -> ModelError {
    ModelError::Config { path: key.to_owned(), message: message.to_owned() }
}

/// Refuses sizes below 1.
pub(crate) fn check_sizes(sizes: &[(&str, i64)]) -> Result<(), ModelError> {
    match sizes.iter().find(|(_, value)| *value < 1) {
        Some((key, value)) => Err(bad(key, &format!("is {value} and must be at least 1"))),
        None => Ok(()),
    }
}

/// Refuses probabilities outside `0..1`.
pub(crate) fn check_dropout(dropouts: &[(&str, f64)]) -> Result<(), ModelError> {
    match dropouts.iter().find(|(_, p)| !(0.0..1.0).contains(p)) {
        Some((key, p)) => Err(bad(key, &format!("is {p} and must be at least 0 and below 1"))),
        None => Ok(()),
    }
}
