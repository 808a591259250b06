//! The prompts of a folder of sentence-transformers: texts that are put before a text.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use sst_data::Unused;

use super::keys::{self, unused_keys};
use crate::error::ModelError;
use crate::files::read_json;

pub(super) const PROMPTS: &str = "config_sentence_transformers.json";

/// config_sentence_transformers.json.
#[derive(Debug, Clone, Default)]
pub(super) struct Prompts {
    /// As the file has them; written again as they are.
    named: Map<String, Value>,
    default: Option<String>,
    /// The function that compares two vectors.
    similarity: Option<String>,
    /// The numbers of a vector that are kept.
    truncate_dim: Option<i64>,
    file: Value,
}

/// Which of two kinds of text a prompt is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What looks for others.
    Query,
    /// What is found.
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
    /// Reads the file; a folder without it has no prompts.
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
        // sentence-transformers has a query and a document prompt, both empty, where the file has not.
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

    /// Keys of the file that were not read.
    pub(super) fn unused(&self) -> Unused {
        let mut unused = Unused::new();
        unused_keys(&mut unused, PROMPTS, &self.file, &keys::PROMPTS);
        unused
    }

    /// What is put before each text where nothing else is asked for.
    pub(super) fn default_prompt(&self) -> &str {
        self.default.as_deref().map_or("", |name| self.text(name))
    }

    /// What is put before the texts of a side: the prompt `query` or `document`, or nothing. The default prompt
    /// is for neither, as in sentence-transformers' `encode_query` and `encode_document`.
    pub(super) fn of(&self, side: Side) -> &str {
        match side {
            Side::Query => self.text("query"),
            Side::Document => self.text("document"),
        }
    }

    fn text(&self, name: &str) -> &str {
        self.named.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// The function that compares two vectors, if the folder names one.
    pub(super) fn similarity(&self) -> Option<&str> {
        self.similarity.as_deref()
    }

    /// How many numbers of each vector are kept, if the folder says so.
    pub(super) fn truncate_dim(&self) -> Option<i64> {
        self.truncate_dim
    }

    /// The file again, with what sst writes into it.
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
