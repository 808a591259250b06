//! Contrastive learning of pictures and texts: a model with two encoders learns which caption belongs to which picture.
//!
//! Each objective is one file, which says how the similarities of all pictures and captions of a batch become a loss. They
//! share the implementation of [`sst_core::Objective`] (`method.rs`) and the batches (`collate.rs`). The loss depends on the
//! whole batch, so the trainer does not cut a batch into micro-batches; `chunk_rows` limits the memory instead.

pub mod clip;
mod collate;
mod config;
mod method;
pub mod siglip;

pub use config::ImageTextConfig;
