//! The models of sst. Each can be read from and written to a Hugging Face folder.
//!
//! A model is a module with `config.rs` (its config.json), `model.rs` and `heads.rs` (its parameters, under their
//! names on the hub) and `names.rs` (their names in older files). One line in [`registry`] adds it to sst.

mod adapter;
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
mod merge;
mod options;
mod plan;
pub mod registry;
mod sentence;

pub use adapter::{adapter_base, check_base, is_adapter, tokenizer_folder};
pub use bert::{BertConfig, BertModel};
pub use card::ModelCard;
pub use error::ModelError;
pub use export::{HostModel, save_folder};
pub use files::{Carried, Role};
pub use generation::{GenerationConfig, token_ids};
pub use gpt2::Gpt2Config;
pub use heads::classifier::HeadConfig;
pub use heads::labels::{Labels, ProblemType, label_keys};
pub use init::{InitOptions, Positions, Queries};
pub use llama::LlamaConfig;
pub use load::{LoadOptions, Loaded, Sizes, check_folder, labels_of, load, open};
pub use merge::{MergeCheck, merge};
pub use plan::LoadHead;
pub use registry::{BuildOptions, ModelEntry, build, check_config, list};
pub use sentence::{
    Embedded, Embedder, SentenceModel, SentenceOptions, SentenceTokens, Side, around_encoder,
    encoder_folder,
};
