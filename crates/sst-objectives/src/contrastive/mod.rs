//! Contrastive learning: trains the encoder so that the vectors of texts that belong together are similar and the
//! vectors of other texts are not.
//!
//! Each objective is one file, which makes the views of the texts ([`sst_data::Collate`]) and says which of them are
//! compared. The objectives share the implementation of [`sst_core::Objective`] (`method.rs`), batches of several views
//! (`views.rs`), encoding in chunks (`grad_cache.rs`), the parameters that are trained besides the model (`shared.rs`:
//! the projection and the temperature) and the loss (`info_nce.rs`). The loss depends on the whole batch, so the trainer
//! does not cut a batch into micro-batches; `chunk_rows` limits the memory instead.

mod config;
mod grad_cache;
pub mod info_nce;
mod method;
pub(crate) mod moco;
pub(crate) mod nt_xent;
pub(crate) mod pairs;
mod projection;
mod shared;
pub(crate) mod simclr;
pub(crate) mod simcse;
mod temperature;
mod views;

pub use config::ContrastiveConfig;
pub(crate) use grad_cache::ChunkedVectors;
pub use moco::MocoConfig;
pub use nt_xent::NtXentConfig;
pub use pairs::PairsConfig;
pub use projection::Projection;
pub use simclr::SimClrConfig;
pub use simcse::SimCseConfig;
pub(crate) use temperature::MAX_SCALE;
pub use temperature::Temperature;
pub(crate) use views::RowSlice;
