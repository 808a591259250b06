//! ViT (Dosovitskiy et al. 2020, "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale"). Reads every
//! Hugging Face config.json of `model_type` `vit` with square patches that fill the image.

mod config;
mod names;
mod plan;
mod tower;
mod wrapper;

pub use config::VitConfig;
pub(crate) use names::canonical;
pub(crate) use tower::TOWER;
pub(crate) use wrapper::ENTRY;
