//! The files of a model folder: which ones are read, which ones are copied to a folder that is written, and which
//! ones do not matter.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use sst_core::checkpoint::Weights;
use sst_data::{Harmless, Unused, UnusedKind, atomic, json_problem};

use crate::error::ModelError;

/// The largest JSON file of a model folder that is read, in bytes, except for tokenizers and indices of shards. The
/// largest on the hub has one million, for the names of 20,000 classes.
pub(crate) const MAX_JSON_BYTES: u64 = 8 << 20;
/// At most this many entries of a folder are listed, in case the path points to a folder of other things.
const MAX_ENTRIES: usize = 10_000;

/// The purpose for which a model folder is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Role {
    /// The model runs.
    #[default]
    Run,
    /// The model is also saved to another folder. Content that the new folder will lack is reported.
    Write,
    /// The model is the encoder of a sentence-transformers folder. The caller reads and reports the files of that
    /// folder.
    Sentence,
}

/// The files of weights, configuration, adapter and tokenizer.
const READ: [&str; 11] = [
    "config.json",
    "model.safetensors.index.json",
    "adapter_config.json",
    "base_model.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
];
/// The files of image processors, which the caller reads for a model that reads pictures, and which are copied.
const IMAGES: [&str; 2] = ["preprocessor_config.json", "processor_config.json"];
/// Chat templates, which are saved with the tokenizer.
const TEMPLATES: [&str; 2] = ["chat_template.jinja", "additional_chat_templates"];
/// Files that do not change what sst computes, each with the reason. A name that ends with `*` is a prefix.
const HARMLESS: &[Harmless] = &[
    ("README.md", "the model card: text for people; written anew"),
    ("LICENSE*", "text for people"),
    ("NOTICE*", "text for people"),
    ("USE_POLICY*", "text for people"),
    (".*", "hidden: written by git, the hub's client or an editor"),
    ("pytorch_model*", "the same weights in PyTorch's format"),
    ("tf_model*", "the same weights for TensorFlow"),
    ("flax_model*", "the same weights for Flax"),
    ("rust_model.ot", "the same weights for rust-bert"),
    ("onnx", "the same model for ONNX"),
    ("openvino", "the same model for OpenVINO"),
    ("coreml", "the same model for Core ML"),
    ("tokenizer.model", "the vocabulary in SentencePiece's format, beside tokenizer.json"),
    ("spiece.model", "the vocabulary in SentencePiece's format, beside tokenizer.json"),
    ("sentencepiece.bpe.model", "the vocabulary in SentencePiece's format, beside tokenizer.json"),
    ("training_args.bin", "the state of the training by transformers that wrote the folder"),
    ("trainer_state.json", "the state of the training by transformers that wrote the folder"),
    ("optimizer.pt", "the state of the training by transformers that wrote the folder"),
    ("scheduler.pt", "the state of the training by transformers that wrote the folder"),
    ("scaler.pt", "the state of the training by transformers that wrote the folder"),
    ("rng_state*", "the state of the training by transformers that wrote the folder"),
];
/// The files of sentence-transformers, which define how hidden states become vectors.
pub(crate) const SENTENCE: [&str; 3] =
    ["modules.json", "config_sentence_transformers.json", "sentence_bert_config.json"];

/// Adds the files of a folder that are neither read, nor copied, nor listed as harmless. The last argument is what the folder
/// is read for, and whether the model reads pictures.
pub(crate) fn add_unused(
    unused: &mut Unused,
    folder: &Path,
    weights: &Weights,
    (role, reads_pictures): (Role, bool),
) -> Result<(), ModelError> {
    let used: Vec<&Path> = weights.files().collect();
    for (name, path) in entries(folder)? {
        let is_other_index =
            name == READ[1] && used.iter().any(|file| file.ends_with("model.safetensors"));
        let is_sentence = SENTENCE.contains(&&*name)
            || name.starts_with(|c: char| c.is_ascii_digit())
                && name.contains('_')
                && path.is_dir();
        let is_known = READ.contains(&&*name) && !is_other_index
            || Carried::NAMES.contains(&&*name)
            || TEMPLATES.contains(&&*name)
            || is_harmless(&name)
            || is_sentence && role != Role::Write
            || IMAGES.contains(&&*name) && reads_pictures
            || used.iter().any(|file| **file == *path);
        if !is_known {
            let slash = if path.is_dir() { "/" } else { "" };
            unused.add(UnusedKind::File, format!("{name}{slash}"));
        }
    }
    Ok(())
}

/// The names and paths of a folder's entries.
pub(crate) fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, ModelError> {
    let io = |source| ModelError::Io { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(io)?.take(MAX_ENTRIES) {
        let entry = entry.map_err(io)?;
        found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
    }
    Ok(found)
}

/// Whether a file of this name is listed as harmless.
pub(crate) fn is_harmless(name: &str) -> bool {
    HARMLESS.iter().any(|(known, _)| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *known,
    })
}

/// Files that are copied to every folder that the model is saved to: generation_config.json and, for a model that reads
/// pictures, its image processor. Chat templates are saved with the tokenizer instead.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Carried {
    /// Their names and contents.
    files: Vec<(&'static str, Vec<u8>)>,
}

impl Carried {
    /// The names of the files, without those of image processors.
    pub(crate) const NAMES: [&str; 1] = ["generation_config.json"];

    /// Reads these files. `folder_with` returns the folder with files of some names: for those that the folder of an adapter
    /// lacks, the folder of its base.
    pub(crate) fn read(
        folder_with: impl Fn(&[&str]) -> Result<PathBuf, ModelError>,
        reads_pictures: bool,
    ) -> Result<Self, ModelError> {
        let mut files = Vec::new();
        let images: &[&str] = if reads_pictures { &IMAGES } else { &[] };
        for names in [&Self::NAMES[..], images] {
            let folder = folder_with(names)?;
            for name in names {
                if let Some(bytes) = read_limited(&folder.join(name))? {
                    files.push((*name, bytes));
                }
            }
        }
        Ok(Self { files })
    }

    /// The same files without those of the image processor, for a model that is saved with another one.
    #[must_use]
    pub fn without_image_processor(mut self) -> Self {
        self.files.retain(|(name, _)| !IMAGES.contains(name));
        self
    }

    /// Writes the files into another folder.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), ModelError> {
        for (name, bytes) in &self.files {
            let path = folder.join(name);
            atomic::write(&path, bytes).map_err(|source| ModelError::Io { path, source })?;
        }
        Ok(())
    }
}

/// Reads a JSON file; `None` if it does not exist.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ModelError> {
    let Some(bytes) = read_limited(path)? else { return Ok(None) };
    let bad = |error: serde_json::Error| ModelError::BadFile {
        path: path.to_owned(),
        message: json_problem(&error),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(bad)
}

/// The error for a required file that does not exist.
pub(crate) fn not_found(path: &Path) -> ModelError {
    ModelError::Io { path: path.to_owned(), source: ErrorKind::NotFound.into() }
}

/// Reads a regular file of at most [`MAX_JSON_BYTES`]; `None` if it does not exist.
fn read_limited(path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    let io = |source| ModelError::Io { path: path.to_owned(), source };
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(io(error)),
    };
    let refuse = |message: String| Err(ModelError::BadFile { path: path.to_owned(), message });
    if !metadata.is_file() {
        return refuse("is not a regular file".to_owned());
    }
    if metadata.len() > MAX_JSON_BYTES {
        return refuse(format!("has {} bytes, more than {MAX_JSON_BYTES}", metadata.len()));
    }
    std::fs::read(path).map(Some).map_err(io)
}
