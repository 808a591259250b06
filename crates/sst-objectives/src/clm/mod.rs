//! Causal language modelling (Radford et al. 2019): predict each token from those before it.
//!
//! The label of a token is the one that follows it in its row, shifted here and nowhere else; the last token of
//! a row has none. After each document stands the end-of-text token, which begins the next one where documents
//! share a row.

mod collate;
mod config;
mod loss;

pub use collate::ClmCollate;
pub use config::ClmConfig;
pub(crate) use loss::ENTRY;
