//! Weights on disk: safetensors files, read strictly and written whole.

mod expect;
mod finite;
mod load;
mod read;
mod write;

pub use crate::error::{CheckpointError, LoadReport};
pub use expect::FileShapes;
pub use load::{Allow, Renamed, load_params};
pub use read::{MAX_HEADER_BYTES, Weights};
pub use write::{kind_name, write_tensors};
