//! Self-supervised objectives.
//!
//! An objective is a module with a host half, its [`sst_data::Collate`], which makes the labels, and a
//! device half, its [`sst_core::Objective`], which makes the loss. One line in [`mod@list`] makes it known
//! to the rest of sst.

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
