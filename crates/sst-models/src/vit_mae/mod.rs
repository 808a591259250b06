//! ViTMAE (He et al. 2021, "Masked Autoencoders Are Scalable Vision Learners"). Reads every Hugging Face config.json of
//! `model_type` `vit_mae` with square images.

mod config;
mod decoder;
mod plan;
mod wrapper;

pub use config::VitMaeConfig;
pub(crate) use wrapper::ENTRY;
