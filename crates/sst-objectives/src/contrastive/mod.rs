//! Contrastive learning: vectors of texts that belong together are near, those of others far.
//!
//! An objective here is a file: how its views are made ([`sst_data::Collate`]) and which of them are compared. They
//! share the seam to the trainer (`method.rs`), the row layout (`views.rs`), the way from rows to vectors in any
//! memory (`grad_cache.rs`), what trains beside the model (`shared.rs`: the projection and the temperature) and the
//! loss (`info_nce.rs`). A loss depends on the whole batch, so batches are not cut into micro-batches: where memory
//! is short, `chunk_rows` does it.

mod config;
mod grad_cache;
pub mod info_nce;
mod method;
pub(crate) mod moco;
pub(crate) mod nt_xent;
pub(crate) mod pairs;
mod projection;
mod shared;
pub(crate) mod simcse;
mod temperature;
mod views;

pub use config::Common;
pub use moco::MocoConfig;
pub use nt_xent::NtXentConfig;
pub use pairs::PairsConfig;
pub use projection::Projection;
pub use simcse::SimCseConfig;
pub use temperature::Temperature;
