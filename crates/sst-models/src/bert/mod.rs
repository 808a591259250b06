//! BERT (Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers"). Reads every Hugging Face
//! config.json of `model_type` `bert` that has absolute positions and is an encoder.

mod config;
mod heads;
mod layer;
mod model;
mod names;
mod plan;
mod wrapper;

pub use config::BertConfig;
pub use model::BertModel;
pub(crate) use wrapper::ENTRY;
