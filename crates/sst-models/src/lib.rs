//! The models of sst. Each can be read from and written to a Hugging Face folder.
//!
//! ```
//! use serde_json::json;
//! use sst_core::checkpoint::Allow;
//! use sst_core::{Forward, Tokens};
//! use sst_models::{BuildOptions, InitOptions, ModelCard};
//! use tch::{Device, Tensor};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! // A new model, from the keys of a config.json. Keys that are left out have their defaults.
//! let config = json!({
//!     "model_type": "bert", "vocab_size": 100, "hidden_size": 32, "num_hidden_layers": 2,
//!     "num_attention_heads": 2, "intermediate_size": 64,
//! });
//! let (device, seed) = (Device::Cpu, Some(1));
//! let options = BuildOptions { device, seed, architecture: None, init: InitOptions::default() };
//! let model = sst_models::build(&config, &options)?;
//! // A folder that transformers loads.
//! sst_models::save_folder(folder, &*model, None, &ModelCard::default())?;
//!
//! // Any folder of the Hugging Face hub with a model of a type that sst has.
//! let (model, _) = sst_models::load(folder, None, device, &Allow::default())?;
//! let ids_bl = Tensor::from_slice(&[2_i64, 17, 45, 3]).reshape([1, 4]);
//! let output = model.text_encoder()?.encode(Tokens::new(&ids_bl).into(), Forward::EVAL)?;
//! assert_eq!(output.hidden_bld.size(), [1, 4, 32]);
//! # Ok(())
//! # }
//! ```
//!
//! `examples/sentence_vectors.rs` makes vectors of texts.
//!
//! A model is a module with `config.rs` (its config.json), `model.rs` and `heads.rs` (its parameters, under their
//! names on the hub) and `names.rs` (their names in older files). One line in [`registry`] adds it to sst.

mod adapter;
mod bert;
mod block;
mod card;
mod causal;
mod clip;
mod config;
mod decoder;
mod dual;
mod dual_encoder;
mod entry;
mod error;
mod export;
mod files;
mod generation;
pub mod gguf;
mod gpt2;
mod heads;
mod image;
mod image_processor;
mod image_size;
mod init;
mod llama;
mod load;
mod merge;
mod options;
mod own_padding;
mod plan;
pub mod registry;
mod sentence;
pub mod setting;
mod siglip;
mod text_encoder;
mod tower;
mod vit;
mod vit_mae;

pub use adapter::{adapter_base, check_base, is_adapter, tokenizer_folder};
pub use bert::{BertConfig, BertModel};
pub use card::ModelCard;
pub use clip::{ClipConfig, ClipTextConfig, ClipVisionConfig};
pub use dual_encoder::{DualOptions, TowerSource, dual_encoder};
pub use error::ModelError;
pub use export::{HostModel, save_folder};
pub use files::{Carried, Role};
pub use generation::{GenerationConfig, token_ids};
pub use gpt2::Gpt2Config;
pub use heads::classifier::HeadConfig;
pub use heads::labels::{Labels, label_keys};
pub use image::{ImageSize, PatchSize};
pub use image_processor::image_processor_kind;
pub use image_size::image_size;
pub use init::{InitOptions, Positions, Queries};
pub use llama::LlamaConfig;
pub use load::{HeadLabels, LoadOptions, Loaded, Sizes, check_folder, labels_of, load, open};
pub use merge::{MergeCheck, merge};
pub use own_padding::own_padding;
pub use plan::LoadHead;
pub use registry::vision_text::DualConfig;
pub use registry::{BuildOptions, ModelEntry, build, build_anew, check_config, list};
pub use sentence::{
    Embedded, Embedder, SentenceModel, SentenceOptions, SentenceTokens, Side, around_encoder,
    encoder_folder,
};
pub use siglip::{SiglipConfig, SiglipTextConfig, SiglipVisionConfig};
pub use sst_core::ProblemType;
pub use vit::VitConfig;
pub use vit_mae::VitMaeConfig;
