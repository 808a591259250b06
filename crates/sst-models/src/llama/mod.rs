//! Llama (Touvron et al. 2023, "LLaMA: Open and Efficient Foundation Language Models") and models of the same
//! architecture. Reads every Hugging Face config.json of `model_type` `llama`.

mod config;
mod layer;
mod model;
mod names;
mod rope;
mod wrapper;

pub use config::LlamaConfig;
pub(crate) use wrapper::ENTRY;
