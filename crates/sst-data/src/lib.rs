//! The host side of sst: everything between a file on disk and a batch of named arrays.
//!
//! Nothing here knows libtorch. A reader yields [`Example`]s, cleaning and tokenising turn them into
//! a prepared [`store`], an order and a batching rule choose which rows make up a step, and the
//! [`loader`] calls an objective's [`Collate`] in worker threads and hands the batches over in order.
//!
//! All randomness comes from [`rng::SeqRng`], which is keyed by (seed, stream, epoch, index): the same
//! sample gets the same draw whatever the number of workers, ranks or restarts.

pub mod atomic;
pub mod augment;
pub mod axis;
pub mod batch;
pub mod batching;
pub mod clean;
pub mod curriculum;
pub mod example;
mod hex;
mod json_problem;
pub mod ledger;
pub mod leftovers;
pub mod loader;
pub mod lock;
pub mod mixture;
pub mod order;
mod panic;
pub mod processor;
pub mod read;
pub mod rng;
pub mod rows;
pub mod sentence;
pub mod store;
pub mod tokenize;
pub mod unused;
pub mod vectors;
pub mod words;

pub use batch::{ArrayData, BatchError, Collate, CollateError, HostArray, HostBatch, Units};
pub use example::{Example, Field, Key};
pub use json_problem::json_problem;
pub use ledger::Ledger;
pub use processor::Processor;
pub use rng::SeqRng;
pub use unused::{Harmless, Unused, UnusedKind};
