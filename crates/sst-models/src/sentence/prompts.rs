//! The prompts of a sentence-transformers folder, which are prepended to texts.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sst_data::Unused;

use super::keys::{self, unused_keys};
use crate::error::ModelError;
use crate::files::read_json;

pub(super) const PROMPTS: &str = "config_sentence_transformers.json";

/// The content of config_sentence_transformers.json.
#[derive(Debug, Clone, Default)]
pub(super) struct Prompts {
    /// The prompts of the file, which are saved again unchanged.
    named: Map<String, Value>,
    default: Option<String>,
    /// The name of the function that compares two vectors.
    similarity: Option<String>,
    /// The number of dimensions of a vector that are kept.
    truncate_dim: Option<i64>,
    file: Value,
}

/// The kind of text that a prompt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// A query.
    Query,
    /// A document.
    Document,
}

#[derive(Debug, Default, Deserialize)]
struct File {
    #[serde(default)]
    prompts: Option<Map<String, Value>>,
    default_prompt_name: Option<String>,
    similarity_fn_name: Option<String>,
    truncate_dim: Option<Value>,
}

impl Prompts {
    /// Reads the file. A folder without it has no prompts.
    pub(super) fn read(path: &Path) -> Result<Self, ModelError> {
        let bad = |message: String| ModelError::BadFile { path: path.to_owned(), message };
        let Some(value) = read_json::<Value>(path)? else { return Ok(Self::default()) };
        let file: File =
            serde_json::from_value(value.clone()).map_err(|error| bad(error.to_string()))?;
        let named = file.prompts.unwrap_or_default();
        if let Some((name, _)) =
            named.iter().find(|(_, text)| !(text.is_string() || text.is_null()))
        {
            return Err(bad(format!("the prompt `{name}` is not a text")));
        }
        let default = file.default_prompt_name;
        // sentence-transformers adds an empty `query` and an empty `document` prompt if the file has none.
        let is_known =
            |name: &String| named.contains_key(name) || name == "query" || name == "document";
        if let Some(name) = default.as_ref().filter(|name| !is_known(name)) {
            return Err(bad(format!("the default prompt `{name}` is not among the prompts")));
        }
        let truncate_dim = match &file.truncate_dim {
            None => None,
            Some(width) => match width.as_i64().filter(|width| *width > 0) {
                Some(width) => Some(width),
                None => {
                    return Err(bad(format!(
                        "truncate_dim is {width}: write how many numbers of each vector are kept, or remove the key"
                    )));
                }
            },
        };
        let similarity = file.similarity_fn_name;
        Ok(Self { named, default, similarity, truncate_dim, file: value })
    }

    /// The keys of the file that were not read.
    pub(super) fn unused(&self) -> Unused {
        let mut unused = Unused::new();
        unused_keys(&mut unused, PROMPTS, &self.file, &keys::PROMPTS);
        unused
    }

    /// The prompt that is used by default.
    pub(super) fn default_prompt(&self) -> &str {
        self.default.as_deref().map_or("", |name| self.text(name))
    }

    /// The prompt for queries or documents; empty if the file has none. As in sentence-transformers' `encode_query`
    /// and `encode_document`, the default prompt is not used for either.
    pub(super) fn of(&self, side: Side) -> &str {
        match side {
            Side::Query => self.text("query"),
            Side::Document => self.text("document"),
        }
    }

    fn text(&self, name: &str) -> &str {
        self.named.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// The name of the function that compares two vectors, if the folder sets it.
    pub(super) fn similarity(&self) -> Option<&str> {
        self.similarity.as_deref()
    }

    /// The number of dimensions of a vector that are kept, if the folder sets it.
    pub(super) fn truncate_dim(&self) -> Option<i64> {
        self.truncate_dim
    }

    /// The content of the file for saving.
    pub(super) fn to_json(&self) -> Value {
        let mut file = json!({
            "prompts": self.named,
            "default_prompt_name": self.default,
            "similarity_fn_name": self.similarity.as_deref().unwrap_or("cosine"),
        });
        if let Some(width) = self.truncate_dim {
            file["truncate_dim"] = json!(width);
        }
        file
    }
}
