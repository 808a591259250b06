//! Masked language modelling (Devlin et al. 2019): hide some tokens, predict them from both sides.
//!
//! Of the chosen tokens 80 % become the mask token, 10 % a random ordinary token and 10 % stay, so that
//! the model cannot rely on seeing the mask. Masks are drawn afresh for each (epoch, row), as in RoBERTa
//! (Liu et al. 2019). The vocabulary is scored at the chosen positions alone.

mod collate;
mod config;
mod loss;
mod select;
mod words;

pub use collate::MlmCollate;
pub use config::{MlmConfig, Unit};
pub(crate) use loss::ENTRY;
