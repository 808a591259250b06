//! Evaluators, the metrics that they are made of, and ways to use a model by hand.
//!
//! An evaluator is built from its name, its configuration and its data, and measures any model:
//!
//! ```
//! use serde_json::json;
//! use sst_eval::{EvalError, Input, Text};
//!
//! # fn main() -> Result<(), EvalError> {
//! // Texts as tokens, for evaluators such as perplexity.
//! let texts = vec![Text { ids: vec![5, 8, 13, 2], words: 3, bytes: 14, ..Text::default() }];
//! let config = json!({ "windows": "full", "stride": 64 });
//! let mut evaluator = sst_eval::build("perplexity", &config, Input::Texts(Box::new(texts)))?;
//! // let report = evaluator.evaluate(&*model, None)?;
//! assert_eq!(evaluator.name(), "perplexity");
//!
//! // The list says of each evaluator what it reads, and every key with its default.
//! for entry in sst_eval::list() {
//!     println!("{} reads {}; {}", entry.name, entry.input, (entry.default_config)());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`metric`] holds pure functions on slices, which know nothing of models. An evaluator gets what a metric needs from a
//! [`Model`](sst_core::Model) and from the data that it owns (an [`Input`]), and returns a [`Report`]. The module
//! [`mod@list`] has one word for each evaluator; `examples/own_evaluator.rs` shows one outside of the list.
//! [`fill_mask`] asks a masked language model for the word behind a mask token, and [`generate`] lets a causal one continue
//! a text. [`nearest`] and [`mine`] compare vectors that an encoder has made.
//!
//! An evaluator changes nothing: dropout is off, no gradient is recorded, and the masks that it draws are
//! those of epoch 0 under its own seed, so the same model always gets the same figures.

mod entry;
mod error;
pub mod fill_mask;
pub mod generate;
mod held_out;
mod input;
mod input_kind;
pub mod list;
mod mask_accuracy;
pub mod metric;
pub mod mine;
pub mod nearest;
mod perplexity;
pub mod probe;
mod pseudo_perplexity;
mod rankme;
mod retrieval;
mod rows;
mod sts;
mod unit;

pub use entry::Entry;
pub use error::EvalError;
pub use input::{
    EmbeddedTexts, Input, ObjectiveRows, Pairs, ScoredPairs, Text, TextRole, TextSource,
    TextVectors, TokenRows,
};
pub use input_kind::InputKind;
pub use list::{build, entry, list};
pub use sst_core::{Counts, Evaluator, Metrics, Report};
