//! The entry of an evaluator in the list.

use serde::de::DeserializeOwned;
use serde_json::Value;
use sst_core::Evaluator;
use sst_data::config_problem;

use crate::error::EvalError;
use crate::input::{Input, InputKind};
use crate::record_spec::RecordSpec;

/// Builds an evaluator from its configuration and its data.
type Build = for<'a> fn(&Value, Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError>;

/// Which values of a figure are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Greater ones.
    Higher,
    /// Smaller ones.
    Lower,
    /// Neither: the figure describes a model.
    Neither,
}

/// A figure of an evaluator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figure {
    /// Its name among the metrics of a report.
    pub name: &'static str,
    /// Which values are better.
    pub better: Better,
    /// The metric of the same report that says what a method without a model reaches, such as always predicting the
    /// commonest class.
    pub baseline: Option<&'static str>,
    /// The figure that this one is the exponential function of, such as a loss for a perplexity.
    pub exp_of: Option<&'static str>,
    /// Whether it is a mean over tokens, which models with different tokenizers have of different kinds.
    pub is_per_token: bool,
}

impl Figure {
    pub(crate) const fn higher(name: &'static str) -> Self {
        Self { name, better: Better::Higher, baseline: None, exp_of: None, is_per_token: false }
    }

    pub(crate) const fn lower(name: &'static str) -> Self {
        Self { name, better: Better::Lower, baseline: None, exp_of: None, is_per_token: false }
    }

    pub(crate) const fn neutral(name: &'static str) -> Self {
        Self { name, better: Better::Neither, baseline: None, exp_of: None, is_per_token: false }
    }

    pub(crate) const fn per_token(self) -> Self {
        Self { is_per_token: true, ..self }
    }

    pub(crate) const fn exp_of(self, loss: &'static str) -> Self {
        Self { exp_of: Some(loss), ..self }
    }

    pub(crate) const fn with_baseline(self, baseline: &'static str) -> Self {
        Self { baseline: Some(baseline), ..self }
    }
}

/// Everything that the rest of sst needs to know about an evaluator.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name of the evaluator, as in `sst eval NAME` and in the entries of objectives.
    pub name: &'static str,
    /// One line for `sst list`.
    pub summary: &'static str,
    /// A paragraph for `sst eval NAME --help`: which metrics the evaluator reports, and how to interpret them.
    pub details: &'static str,
    /// The kind of data that the evaluator reads.
    pub input: InputKind,
    /// For [`InputKind::Records`]: the rows that it reads.
    pub records: Option<RecordSpec>,
    /// Whether the evaluator measures the loss of an objective, which must then be passed to [`Evaluator::evaluate`].
    pub needs_objective: bool,
    /// The figures that a page of several evaluators shows, the most important one first. Those that a report lacks are
    /// left out.
    pub figures: &'static [Figure],
    /// Every configuration key with its default, as a JSON object.
    pub default_config: fn() -> Value,
    /// Every configuration key with one sentence of help.
    pub options: &'static [(&'static str, &'static str)],
    pub(crate) build: Build,
}

impl Entry {
    /// The default configuration, overridden by those of `values` whose keys this evaluator has. Other values are
    /// ignored, so a caller can pass a batch size and a seed without knowing whether the evaluator uses them.
    pub fn config_with<'v>(&self, values: impl IntoIterator<Item = (&'v str, Value)>) -> Value {
        let mut config = (self.default_config)();
        for (key, value) in values {
            if let Some(default) = config.get_mut(key) {
                *default = value;
            }
        }
        config
    }

    /// Builds the evaluator. `config` is a JSON object; absent keys take their defaults.
    ///
    /// # Errors
    /// If a key is unknown or has an invalid value, or the input is of another kind than the evaluator reads.
    pub fn build<'a>(
        &self,
        config: &Value,
        input: Input<'a>,
    ) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
        (self.build)(config, input)
    }
}

/// Deserializes the configuration of `evaluator`. The type `T` sets the defaults of absent keys and refuses unknown keys.
pub(crate) fn parse<T: DeserializeOwned>(
    evaluator: &'static str,
    config: &Value,
) -> Result<T, EvalError> {
    T::deserialize(config).map_err(|error| {
        let (key, reason) = config_problem::<T>(config, &error);
        EvalError::Config { evaluator, key, reason }
    })
}
