//! Weights on disk: safetensors files, which are read strictly and written atomically.

mod expect;
mod finite;
mod header;
mod load;
mod read;
mod write;

pub use crate::error::{CheckpointError, LoadReport};
pub use expect::FileShapes;
pub use header::MAX_HEADER_BYTES;
pub use load::{Allow, Renamed, load_params};
pub use read::Weights;
pub use write::{kind_name, write_tensors};
