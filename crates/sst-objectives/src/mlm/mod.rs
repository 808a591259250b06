//! Masked language modelling (Devlin et al. 2019): select some tokens and predict them from the tokens on both sides.
//!
//! Of the selected tokens, 80 % become the mask token, 10 % become a random ordinary token and 10 % stay unchanged, so
//! that the model cannot rely on seeing the mask token. The selection is drawn anew for each (epoch, row), as in RoBERTa
//! (Liu et al. 2019). Logits are computed at the selected positions only.

mod collate;
mod config;
mod loss;
mod select;
mod words;

pub use collate::MlmCollate;
pub use config::{MlmConfig, Unit};
pub(crate) use loss::ENTRY;
