//! Writes a sentence-transformers folder in the format that every release can read.

use std::path::Path;

use serde_json::{Map, Value, json};
use sst_core::nn::Pooling;
use sst_data::atomic;

use super::folder::{MODULES, SENTENCE, flag};
use super::model::SentenceModel;
use super::prompts::PROMPTS;
use crate::card::ModelCard;
use crate::error::ModelError;
use crate::export::HostModel;

impl SentenceModel {
    /// Writes the Hugging Face folder of the encoder, and the additional files of sentence-transformers:
    /// modules.json, the pooling, linear layers and the normalisation.
    ///
    /// # Errors
    /// If a file cannot be written, with its path; or if the model normalises after `truncate_dim`, for which the
    /// format has no setting.
    pub fn save(&self, folder: &Path, card: &ModelCard) -> Result<(), ModelError> {
        if self.truncate.is_some() && self.normalize_last {
            return Err(ModelError::NormalizedLast { file: PROMPTS });
        }
        let model = HostModel::copy(&*self.model)?.carry(self.carried.clone());
        model.save(folder, Some(&self.tokenizer), card)?;
        let mut modules = vec![module(0, "", "Transformer")];
        let mut add = |class: &str| {
            let place = modules.len();
            let path = format!("{place}_{class}");
            modules.push(module(place, &path, class));
            folder.join(path)
        };
        write(&add("Pooling"), "config.json", &self.pooling())?;
        for dense in &self.dense {
            dense.save(&add("Dense"))?;
        }
        if self.normalize {
            write(&add("Normalize"), "config.json", &json!({}))?;
        }
        let sentence = json!({"max_seq_length": self.max_length, "do_lower_case": self.lowercase});
        write(folder, SENTENCE, &sentence)?;
        write(folder, PROMPTS, &self.prompts.to_json())?;
        write(folder, MODULES, &Value::Array(modules))
    }

    fn pooling(&self) -> Value {
        let width = self.hidden_size;
        let mut config = Map::from_iter([("word_embedding_dimension".to_owned(), json!(width))]);
        let on = |pooling: &Pooling| self.poolings.contains(pooling);
        let usual: Vec<Pooling> = Pooling::ALL.into_iter().filter(on).collect();
        if usual == self.poolings {
            for pooling in Pooling::ALL {
                config.insert(flag(pooling).to_owned(), json!(on(&pooling)));
            }
        } else {
            // The boolean keys cannot express the order of poolings. Releases before 6 cannot read this key.
            config.insert("pooling_mode".to_owned(), json!(self.poolings));
        }
        config.insert("include_prompt".to_owned(), json!(self.include_prompt));
        Value::Object(config)
    }
}

fn module(place: usize, path: &str, class: &str) -> Value {
    let class = format!("sentence_transformers.models.{class}");
    json!({"idx": place, "name": place.to_string(), "path": path, "type": class})
}

fn write(folder: &Path, name: &str, value: &Value) -> Result<(), ModelError> {
    let path = folder.join(name);
    let io = |source| ModelError::Io { path: path.clone(), source };
    std::fs::create_dir_all(folder).map_err(io)?;
    atomic::write(&path, format!("{value:#}\n").as_bytes()).map_err(io)
}
