//! Models in GGUF, the file format of llama.cpp: one file with the weights, most of them quantised, the
//! configuration and the tokenizer. Read only; what is read becomes an ordinary model and a Hugging Face folder.

mod blocks;
mod file;
mod llama;
mod tokenizer;

use std::path::Path;

pub use file::{Gguf, MetaValue};
use sst_core::Model;
use tch::Device;

use crate::error::ModelError;
use crate::registry::{self, BuildOptions};

/// What a GGUF file holds, as sst and transformers know it.
pub struct Converted {
    /// The model, in fp32.
    pub model: Box<dyn Model>,
    /// The content of its tokenizer.json.
    pub tokenizer: serde_json::Value,
    /// The content of its tokenizer_config.json.
    pub tokenizer_config: serde_json::Value,
}

/// Reads a file of architecture `llama` with a byte-level BPE tokenizer.
///
/// # Errors
/// If the file is broken, or of an architecture, a tokenizer or a quantisation that sst does not read.
pub fn read(path: &Path) -> Result<Converted, ModelError> {
    let gguf = Gguf::open(path)?;
    let architecture = gguf.text("general.architecture")?;
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
    let (tokenizer, tokenizer_config) = tokenizer::read(&gguf)?;
    Ok(Converted { model, tokenizer, tokenizer_config })
}
