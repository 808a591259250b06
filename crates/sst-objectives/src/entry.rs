//! What the list of objectives knows of each, and what an objective is built from.

use serde_json::Value;
use sst_core::{HeadKind, Objective};
use sst_data::RowSpec;
use sst_data::tokenize::{SpecialTokenTemplate, Tokenizer};
use tch::Device;

use crate::error::ObjectiveError;

/// What an objective is built from besides its configuration.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The tokenizer of the data; `None` if it holds no text.
    pub tokenizer: Option<&'a Tokenizer>,
    /// Whether batches hold their rows one after the other, without padding.
    pub padding_free: bool,
    /// The width of the encoder's hidden states, for parameters of its own.
    pub hidden_size: i64,
    /// Where these are.
    pub device: Device,
    /// What they are drawn from: the seed of the run.
    pub seed: u64,
}

impl<'a> Context<'a> {
    /// The tokenizer, for an objective that reads text.
    ///
    /// # Errors
    /// If there is none.
    pub fn tokenizer(&self) -> Result<&'a Tokenizer, ObjectiveError> {
        self.tokenizer.ok_or(ObjectiveError::NoTokenizer)
    }
}

/// A key of an objective that has no effect beside its other keys, and what it is for instead.
pub type IdleKey = (&'static str, &'static str);

/// A number of an objective's configuration: its key, the least and the most that it may be. Wide limits, which tell a slip
/// of a digit from what may be meant; the objective's own check is stricter.
pub type Limit = (&'static str, f64, f64);

/// The most of a count that costs nothing.
pub(crate) const MOST_COUNT: f64 = 1e15;
/// The most rows that are held at once.
pub(crate) const MOST_ROWS: f64 = 4_194_304.0;
/// The largest width of a vector.
pub(crate) const MOST_WIDTH: f64 = 65_536.0;

/// Builds an objective from its configuration.
type Build = fn(&Value, &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError>;

/// What the list knows of an objective.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name by which it is asked for.
    pub name: &'static str,
    /// A line for `sst list`.
    pub summary: &'static str,
    /// Every configuration key with its default.
    pub default_config: fn() -> Value,
    /// The limits of each number in `default_config`.
    pub limits: fn() -> Vec<Limit>,
    /// The rows that it learns from, by its complete configuration.
    pub rows: fn(&Value) -> RowSpec,
    /// The evaluator (by its name in the list of sst-eval) that measures a model on held-out rows while it trains. It is
    /// given the batches that the objective makes of them: `held-out-loss` for the objective's own figures,
    /// `mask-accuracy` for objectives whose batches have `masked_positions` and `masked_labels`.
    pub held_out: &'static str,
    /// The task for which the Hugging Face hub lists a model that was trained with it; `None` to name none.
    pub pipeline_tag: Option<&'static str>,
    /// The head of the model that it trains; `None` if it compares the encoder's vectors.
    pub head: Option<HeadKind>,
    /// The keys of a complete configuration that have no effect beside its other keys.
    pub idle_keys: fn(&Value) -> Vec<IdleKey>,
    /// What stands around a row, and after each of its documents.
    pub(crate) special_token_template: fn(&Tokenizer) -> SpecialTokenTemplate,
    /// Checks the configuration, with or without padding: all that needs no tokenizer.
    pub(crate) check: fn(&Value, bool) -> Result<(), ObjectiveError>,
    pub(crate) build: Build,
}
