//! The models of sst, each readable and writable as a Hugging Face folder.
//!
//! A model is a folder here: `config.rs` (the serde form of its config.json), `model.rs` and `heads.rs`
//! (parameters under their hub names), `names.rs` (what older files call them). One line in
//! [`registry`] makes it known to the rest of sst.

mod bert;
mod card;
mod causal;
mod config;
mod decoder;
mod entry;
mod error;
mod export;
mod files;
mod generation;
pub mod gguf;
mod gpt2;
mod heads;
mod init;
mod llama;
mod load;
mod options;
mod plan;
pub mod registry;
mod sentence;

pub use bert::{BertConfig, BertModel};
pub use card::ModelCard;
pub use error::ModelError;
pub use export::{HostModel, save_folder};
pub use files::{Carried, Role};
pub use generation::{GenerationConfig, token_ids};
pub use gpt2::Gpt2Config;
pub use heads::labels::{Labels, ProblemType, label_keys};
pub use init::{InitOptions, Positions, Queries};
pub use llama::LlamaConfig;
pub use load::{LoadOptions, Loaded, Sizes, check_folder, labels_of, load, open};
pub use plan::LoadHead;
pub use registry::{BuildOptions, ModelEntry, build, check_config, list};
pub use sentence::{
    Embedded, Embedder, SentenceModel, SentenceOptions, SentenceTokens, Side, around_encoder,
    encoder_folder,
};
