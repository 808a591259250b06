//! What the list of evaluators knows of each of them.

use serde::de::DeserializeOwned;
use serde_json::Value;
use sst_core::Evaluator;

use crate::error::EvalError;
use crate::input::{Input, InputKind};

/// Builds an evaluator from its configuration and its data.
type Build = for<'a> fn(&Value, Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError>;

/// What the list knows of an evaluator.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name: `sst eval NAME`, and what objectives call it by.
    pub name: &'static str,
    /// A line for `sst list`.
    pub summary: &'static str,
    /// A paragraph for `sst eval NAME --help`: which figures it reports, and how to read them.
    pub details: &'static str,
    /// What it reads.
    pub input: InputKind,
    /// Whether it measures an objective, which must then be passed to [`Evaluator::evaluate`].
    pub needs_objective: bool,
    /// Every configuration key with its default, as a JSON object.
    pub default_config: fn() -> Value,
    /// Every configuration key with a sentence of help.
    pub options: &'static [(&'static str, &'static str)],
    pub(crate) build: Build,
}

impl Entry {
    /// The default configuration with those of `values` whose keys this evaluator has. Other values are left out: for
    /// callers that know a batch size or a seed, and not which evaluator asks for one.
    pub fn config_with<'v>(&self, values: impl IntoIterator<Item = (&'v str, Value)>) -> Value {
        let mut config = (self.default_config)();
        for (key, value) in values {
            if let Some(place) = config.get_mut(key) {
                *place = value;
            }
        }
        config
    }

    /// Builds the evaluator. `config` is a JSON object; keys that are absent take their defaults.
    ///
    /// # Errors
    /// If a key is unknown or has a value that cannot be, or the input is of another kind than the evaluator reads.
    pub fn build<'a>(
        &self,
        config: &Value,
        input: Input<'a>,
    ) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
        (self.build)(config, input)
    }
}

/// The configuration of `evaluator`. Absent keys take their defaults, and unknown ones are refused by the type `T`.
pub(crate) fn parse<T: DeserializeOwned>(
    evaluator: &'static str,
    config: &Value,
) -> Result<T, EvalError> {
    T::deserialize(config)
        .map_err(|error| EvalError::Config { evaluator, reason: error.to_string() })
}
