//! Evaluators, metrics, text generation, mask filling, and nearest-neighbour search.
//!
//! An evaluator is built from its name, its configuration and its data. It can then measure any model:
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
//! // The list describes every evaluator: the data that it reads, and all keys with their defaults.
//! for entry in sst_eval::list() {
//!     println!("{} reads {}; {}", entry.name, entry.input, (entry.default_config)());
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [`metric`] holds pure functions on slices, which do not depend on models. An evaluator runs a
//! [`Model`](sst_core::Model) on the data that it owns (an [`Input`]), computes metrics, and returns a [`Report`]. The
//! module [`mod@list`] registers the evaluators of this crate; `examples/own_metric.rs` has a metric and
//! `examples/own_evaluator.rs` an evaluator outside of this crate. [`fill_mask`] predicts the token behind a mask token
//! with a masked language model, and [`reconstruct`] the masked patches of a picture with a masked autoencoder.
//! [`pictures`] computes vectors of pictures and captions. [`generate`] continues texts with a causal language model. [`nearest`] and [`mine`]
//! compare vectors of texts.
//!
//! An evaluator has no side effects: dropout is off, no gradients are recorded, and masks are drawn for epoch 0 with the
//! evaluator's own seed. So the same model always gets the same metrics.

mod classification;
mod entry;
mod error;
pub mod fill_mask;
mod frozen;
pub mod generate;
mod held_out;
mod input;
mod input_kind;
mod intervals;
pub mod list;
mod mask_accuracy;
pub mod metric;
pub mod mine;
pub mod nearest;
mod ner;
mod normalize;
mod perplexity;
pub mod pictures;
pub mod predict;
pub mod probe;
mod pseudo_perplexity;
mod qa;
mod rankme;
pub mod reconstruct;
mod record_spec;
mod retrieval;
mod rows;
mod sts;
mod zero_shot;

pub use entry::{Better, Entry, Figure};
pub use error::EvalError;
pub use input::{
    CaptionedPictures, ComparedTexts, EmbeddedPictures, EmbeddedTexts, Input, LabelledRows,
    NamedPictures, NearPicture, ObjectiveRows, Pairs, RecordRows, ScoredPairs, ShowNearest, Text,
    TextRole, TextSource, TextVectors, TokenRows,
};
pub use input_kind::InputKind;
pub use intervals::{compare, interval_of};
pub use list::{build, entry, list};
pub use record_spec::RecordSpec;
pub use sst_core::{Counts, Evaluator, Metrics, Report, Table, Terms};
