//! Llama (Touvron et al. 2023, "LLaMA: Open and Efficient Foundation Language Models") and what has its shape:
//! for any Hugging Face config.json of `model_type` `llama`.

mod config;
mod layer;
mod model;
mod names;
mod rope;
mod wrapper;

pub use config::LlamaConfig;
pub(crate) use wrapper::ENTRY;
