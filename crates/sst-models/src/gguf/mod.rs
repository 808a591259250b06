//! Reads models in GGUF, the file format of llama.cpp: one file with the configuration, the tokenizer, and weights
//! that are usually quantised. The result is a model in fp32 and a tokenizer, which can be saved as a Hugging Face
//! folder.

mod blocks;
mod file;
mod half;
mod k_quants;
mod llama;
mod meta;
mod pre_tokenizer;
mod reader;
mod rope;
mod tokenizer;
mod unused;

use std::path::Path;

pub use file::Gguf;
pub use meta::{MetaValue, Numbers};
use sst_core::Model;
use sst_data::Unused;
use tch::Device;

use crate::error::ModelError;
use crate::registry::{self, BuildOptions};

/// The content of a GGUF file, converted to the formats of transformers.
pub struct Converted {
    /// The model, in fp32.
    pub model: Box<dyn Model>,
    /// The content of its tokenizer.json.
    pub tokenizer: serde_json::Value,
    /// The content of its tokenizer_config.json.
    pub tokenizer_config: serde_json::Value,
    /// Keys of the metadata and tensors that were not used.
    pub unused: Unused,
}

/// Reads a file of architecture `llama` with a byte-level BPE tokenizer.
///
/// # Errors
/// If the file is damaged, or has an architecture, a tokenizer or a quantisation that sst does not read.
pub fn read(path: &Path) -> Result<Converted, ModelError> {
    let gguf = Gguf::open(path)?;
    let parts = gguf.whole("split.count")?.unwrap_or(1);
    if parts > 1 {
        let message = format!(
            "is one of {parts} parts: join them with llama.cpp's `llama-gguf-split --merge`"
        );
        return Err(gguf.bad(message));
    }
    let architecture = gguf.text("general.architecture")?.unwrap_or("none");
    if architecture != "llama" {
        let message = format!("is of architecture `{architecture}`; sst reads `llama`");
        return Err(gguf.bad(message));
    }
    let config = llama::config(&gguf)?;
    let options = BuildOptions {
        device: Device::Cpu,
        seed: None,
        architecture: None,
        init: crate::InitOptions::default(),
    };
    let mut model = registry::build(&config, &options)?;
    llama::load(&gguf, &config, &mut *model)?;
    let (tokenizer, tokenizer_config) = tokenizer::read(&gguf, model.vocab_size()?)?;
    let unused = unused::list(&gguf);
    Ok(Converted { model, tokenizer, tokenizer_config, unused })
}
