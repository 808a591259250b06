//! BERT (Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers"), for any Hugging
//! Face config.json of `model_type` `bert`, with absolute positions and as an encoder.

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
