//! GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners"). Reads every Hugging Face
//! config.json of `model_type` `gpt2` without cross-attention.

mod config;
mod layer;
mod model;
mod names;
mod wrapper;

pub use config::Gpt2Config;
pub(crate) use wrapper::ENTRY;
