//! Weights on disk: safetensors files, read strictly and written whole.

mod error;
mod load;
mod read;
mod write;

pub use error::CheckpointError;
pub use load::{Allow, LoadReport, Renamed, load_params};
pub use read::Weights;
pub use write::{kind_name, write_tensors};
