//! Reads a JSON object of keys into an objective's configuration struct.

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::ObjectiveError;

/// Deserializes `config`; an error names the key.
pub(crate) fn parse<T: DeserializeOwned>(config: &Value) -> Result<T, ObjectiveError> {
    serde_path_to_error::deserialize(config).map_err(|error| ObjectiveError::Config {
        path: error.path().to_string(),
        message: error.inner().to_string(),
    })
}

/// Refuses a rate outside `0..=1`.
pub(crate) fn check_rate(key: &str, rate: f64) -> Result<(), ObjectiveError> {
    match (0.0..=1.0).contains(&rate) {
        true => Ok(()),
        false => Err(ObjectiveError::Config {
            path: key.to_owned(),
            message: format!("is {rate} and must be from 0 to 1"),
        }),
    }
}
