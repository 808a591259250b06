//! Self-supervised objectives.
//!
//! An objective is a module with two halves. Its [`sst_data::Collate`] runs on the host and makes batches with labels;
//! its [`sst_core::Objective`] computes the loss on the device. One line in [`mod@list`] registers it for the rest of
//! sst.

mod chunked;
pub mod classify;
pub mod clm;
pub mod contrastive;
mod entry;
mod error;
mod layout;
pub mod list;
pub mod mlm;
mod parse;
pub mod setting;
mod token_loss;

pub use entry::{Context, Entry, IdleKey, Limit};
pub use error::ObjectiveError;
pub use list::{build, check, entry, list, special_token_template};
