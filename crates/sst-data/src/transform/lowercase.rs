//! `lowercase`: texts in lower case, for tokenizers that keep the case.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entry::{Entry, parse};
use super::texts::{Change, Texts};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: "lowercase",
    summary: "texts in lower case",
    default_config: || json!(LowercaseConfig::default()),
    is_random: false,
    takes_other_keys: false,
    build: |config, _| {
        let LowercaseConfig { columns } = parse(ENTRY.name, config)?;
        Ok(Box::new(Texts { columns, change: Lowercase }))
    },
};

/// Which texts are put in lower case.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LowercaseConfig {
    /// The columns of texts; none for all.
    pub columns: Vec<String>,
}

struct Lowercase;

impl Change for Lowercase {
    fn change(&self, text: &str, _: &mut SeqRng) -> String {
        text.to_lowercase()
    }
}
