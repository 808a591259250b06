//! `lowercase`: converts texts to lower case, for tokenizers that do not.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entry::{Entry, parse};
use super::texts::{TextChange, TextTransform};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: "lowercase",
    summary: "converts texts to lower case",
    default_config: || json!(LowercaseConfig::default()),
    is_random: false,
    takes_other_keys: false,
    build: |config, _| {
        let LowercaseConfig { columns } = parse(ENTRY.name, config)?;
        Ok(Box::new(TextTransform { columns, change: Lowercase }))
    },
};

/// The keys of `lowercase`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LowercaseConfig {
    /// The text columns to change; empty for all.
    pub columns: Vec<String>,
}

struct Lowercase;

impl TextChange for Lowercase {
    fn change(&self, text: &str, _: &mut SeqRng) -> String {
        text.to_lowercase()
    }
}
