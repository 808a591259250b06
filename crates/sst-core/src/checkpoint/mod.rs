//! Weights on disk: safetensors files, read strictly and written whole.

mod error;
mod expect;
mod finite;
mod load;
mod read;
mod write;

pub use error::CheckpointError;
pub(crate) use expect::Admitted;
pub use expect::FileShapes;
pub use load::{Allow, LoadReport, Renamed, load_params};
pub use read::{MAX_HEADER_BYTES, Weights};
pub use write::{kind_name, write_tensors};
