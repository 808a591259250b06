//! Metrics as pure functions on slices.

mod classification;
mod language;

pub use classification::{accuracy, commonest, top_k_accuracy};
pub use language::perplexity;
