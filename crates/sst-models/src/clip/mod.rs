//! CLIP (Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision"). Reads every Hugging
//! Face config.json of `model_type` `clip`.

mod config;
mod tower;
mod wrapper;

pub use config::{ClipConfig, ClipTextConfig, ClipVisionConfig};
pub(crate) use wrapper::ENTRY;
