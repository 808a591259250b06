//! Weights on disk: safetensors files, read strictly and written whole.

mod error;
mod expect;
mod finite;
mod header;
mod load;
mod read;
mod write;

pub use error::CheckpointError;
pub(crate) use expect::Admitted;
pub use expect::FileShapes;
pub use header::MAX_HEADER_BYTES;
pub use load::{Allow, LoadReport, Renamed, load_params};
pub use read::Weights;
pub use write::{kind_name, write_tensors};
