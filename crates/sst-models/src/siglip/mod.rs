//! SigLIP (Zhai et al. 2023, "Sigmoid Loss for Language Image Pre-Training"). Reads every Hugging Face config.json of
//! `model_type` `siglip` whose image tower has its pooling head.

mod config;
mod pool;
mod tower;
mod wrapper;

pub use config::{SiglipConfig, SiglipTextConfig, SiglipVisionConfig};
pub(crate) use wrapper::ENTRY;
