//! What a model is worth: evaluators, the metrics they are made of, and using a model by hand.
//!
//! [`metric`] holds pure functions on slices, which know nothing of models. An evaluator gathers what
//! a metric needs from a [`Model`](sst_core::Model) and a data set, and tells its figures as a
//! [`Report`]. [`fill_mask`] asks a masked language model for the word behind a blank, and [`generate`] has a
//! causal one continue a text. [`nearest`] and [`mine`] compare vectors that an encoder has made.
//!
//! An evaluator changes nothing: dropout is off, no gradient is recorded, and the masks it draws are
//! those of epoch 0 under its own seed, so the same model always gets the same figures.

mod error;
pub mod fill_mask;
pub mod generate;
mod held_out;
mod mask_accuracy;
pub mod metric;
pub mod mine;
pub mod nearest;
pub mod pairs;
mod perplexity;
mod pseudo_perplexity;
mod report;
mod rows;

pub use error::EvalError;
pub use held_out::HeldOut;
pub use mask_accuracy::MaskAccuracy;
pub use perplexity::{Perplexity, Text, Window, Windows};
pub use pseudo_perplexity::PseudoPerplexity;
pub use report::{Counts, Report};
