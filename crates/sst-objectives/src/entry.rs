//! The entry of an objective in the list, and the inputs that an objective is built from.

use serde_json::{Map, Value};
use sst_core::{HeadKind, InputSpec, Objective};
use sst_data::RowSpec;
use sst_data::tokenize::{SpecialTokenTemplate, Tokenizer};
use tch::Device;

use crate::error::ObjectiveError;

/// The inputs that an objective is built from, besides its configuration.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The tokenizer of the data; `None` if the data holds no text.
    pub tokenizer: Option<&'a Tokenizer>,
    /// Whether the rows of a batch are concatenated without padding.
    pub padding_free: bool,
    /// The labels of the data, which the examples have the indices of; empty for data without labels.
    pub labels: &'a [String],
    /// The names of the outputs of the head that is trained, in their order; empty for an objective without
    /// [`Entry::classes`].
    pub outputs: &'a [String],
    /// The width of the hidden states of the encoder that reads the rows, which gives the objective's own parameters their
    /// shapes. For rows of pictures it is that of the image encoder.
    pub hidden_size: i64,
    /// The images that the model reads; `None` if it reads none, or for a check without a model.
    pub images: Option<InputSpec>,
    /// The device of the objective's own parameters.
    pub device: Device,
    /// The seed of the run, from which the objective's own parameters are initialised.
    pub seed: u64,
}

impl<'a> Context<'a> {
    /// The inputs for padded batches of data without labels.
    pub fn new(
        tokenizer: Option<&'a Tokenizer>,
        hidden_size: i64,
        device: Device,
        seed: u64,
    ) -> Self {
        let padding_free = false;
        let (labels, outputs, images) = (&[], &[], None);
        Self { tokenizer, padding_free, labels, outputs, hidden_size, images, device, seed }
    }

    /// The tokenizer, for an objective that reads text.
    ///
    /// # Errors
    /// If there is no tokenizer.
    pub fn tokenizer(&self) -> Result<&'a Tokenizer, ObjectiveError> {
        self.tokenizer.ok_or(ObjectiveError::NoTokenizer)
    }
}

/// A key that has no effect because of the values of other keys, and when it would have one (such as
/// `is for unit = "span"`).
pub type IdleKey = (&'static str, &'static str);

/// The limits of a number in an objective's configuration: its key, its minimum and its maximum. The limits are wide and
/// only catch typing errors; the objective's own check is stricter.
pub type Limit = (&'static str, f64, f64);

/// The maximum of a count that costs no memory.
pub(crate) const MAX_COUNT: f64 = 1e15;
/// The maximum number of rows that are in memory at once.
pub(crate) const MAX_ROWS: f64 = 4_194_304.0;
/// The maximum width of a vector.
pub(crate) const MAX_WIDTH: f64 = 65_536.0;

/// How the labels of the data become the outputs of the head that an objective trains.
#[derive(Debug, Clone, Copy)]
pub struct Classes {
    /// The names of the outputs for data with these labels, given the complete configuration.
    pub outputs: fn(&Value, &[String]) -> Result<Vec<String>, ObjectiveError>,
    /// The labels of data that a model with these outputs is trained on further.
    pub labels: fn(&Value, &[String]) -> Result<Vec<String>, ObjectiveError>,
    /// The `problem_type` of config.json; `None` for a head that has none.
    pub problem_type: fn(&Value) -> Option<&'static str>,
}

/// Builds an objective from its configuration.
type Build = fn(&Value, &Context<'_>) -> Result<Box<dyn Objective>, ObjectiveError>;

/// Everything that the rest of sst needs to know about an objective.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The name of the objective in a recipe.
    pub name: &'static str,
    /// One line for `sst list`.
    pub summary: &'static str,
    /// Every configuration key with its default.
    pub default_config: fn() -> Value,
    /// The limits of each number in `default_config`.
    pub limits: fn() -> Vec<Limit>,
    /// The kind of rows that the objective learns from, given its complete configuration.
    pub rows: fn(&Value) -> RowSpec,
    /// The fewest rows of a step that are something to learn from: 2 if each is compared with the others of its step.
    pub least_rows: usize,
    /// Whether it compares views of a text that differ by the dropout of the encoder alone, and are equal without it.
    pub needs_dropout: bool,
    /// The types of the models that can be trained with it; empty for every type whose models read these rows and have the
    /// head.
    pub model_types: &'static [&'static str],
    /// Whether the model must be causal.
    pub needs_causal: bool,
    /// The evaluators (their names in the list of sst-eval) that measure the model on held-out rows during training.
    /// `held-out-loss` reports the objective's own loss on the batches that it makes of those rows; `mask-accuracy` is for
    /// objectives whose batches have `masked_positions` and `masked_labels`; evaluators of records get the rows alone.
    pub held_out: &'static [&'static str],
    /// The task under which the Hugging Face hub lists a model that was trained with this objective; `None` for no task.
    pub pipeline_tag: Option<&'static str>,
    /// The kind of model head that the objective trains; `None` if it compares the encoder's vectors.
    pub head: Option<HeadKind>,
    /// How the outputs of that head are named; `None` if they are not classes.
    pub classes: Option<Classes>,
    /// The keys of the model's config.json that follow from this complete configuration.
    pub model_keys: fn(&Value) -> Map<String, Value>,
    /// The transforms of pictures for a recipe that names none, as in `[[data.transform]]`. A key `size` that is missing is
    /// the size of the images of the model. Empty for an objective on texts.
    pub picture_transforms: fn() -> Vec<Value>,
    /// The keys that have no effect in this complete configuration.
    pub idle_keys: fn(&Value) -> Vec<IdleKey>,
    /// The special tokens around a row, and after each document of the row.
    pub(crate) special_token_template: fn(&Tokenizer) -> SpecialTokenTemplate,
    /// Makes the checks of a configuration that need no tokenizer. The second argument is `padding_free`.
    pub(crate) check: fn(&Value, bool) -> Result<(), ObjectiveError>,
    pub(crate) build: Build,
}
