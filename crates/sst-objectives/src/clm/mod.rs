//! Causal language modelling (Radford et al. 2019): predict each token from those before it.
//!
//! The label of a token is the next token of its row; the last token of a row has no label. The labels are shifted when
//! the batch is made and nowhere else, unlike in transformers, where the model shifts them. Every document ends with the
//! end-of-text token. If documents share a row and are isolated, this token is also the first input of the next
//! document.

mod collate;
mod config;
mod loss;

pub use collate::ClmCollate;
pub use config::ClmConfig;
pub(crate) use loss::ENTRY;
