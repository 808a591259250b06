//! `clean`: applies the rules of [`CleanConfig`](crate::clean::CleanConfig) that change a text, but not those that drop
//! texts.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::TransformError;
use super::entry::{Entry, parse};
use super::texts::{TextChange, TextTransform};
use crate::clean::{CleanConfig, Cleaner};
use crate::example::Key;
use crate::ledger::Ledger;
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: "clean",
    summary: "normalises Unicode, control characters and white space, as documents are cleaned",
    default_config: || json!(CleanTransformConfig::default()),
    is_random: false,
    takes_other_keys: false,
    build: |config, _| {
        let CleanTransformConfig { columns, nfc, nfkc, control, whitespace } =
            parse(ENTRY.name, config)?;
        let rules = CleanConfig { nfc, nfkc, control, whitespace, ..CleanConfig::default() };
        let invalid = |error: crate::clean::CleanConfigError| TransformError::Config {
            transform: ENTRY.name,
            reason: error.to_string(),
        };
        rules.check().map_err(invalid)?;
        Ok(Box::new(TextTransform { columns, change: Clean(rules) }))
    },
};

/// The keys of `clean`: the rules to apply, with the names of [`CleanConfig`](crate::clean::CleanConfig).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CleanTransformConfig {
    /// The text columns to change; empty for all.
    pub columns: Vec<String>,
    /// Converts to Unicode NFC.
    pub nfc: bool,
    /// Converts to Unicode NFKC.
    pub nfkc: bool,
    /// Removes control and invisible characters.
    pub control: bool,
    /// Replaces every run of white space by one space or line break.
    pub whitespace: bool,
}

impl Default for CleanTransformConfig {
    fn default() -> Self {
        let CleanConfig { nfc, nfkc, control, whitespace, .. } = CleanConfig::default();
        Self { columns: Vec::new(), nfc, nfkc, control, whitespace }
    }
}

struct Clean(CleanConfig);

impl TextChange for Clean {
    fn change(&self, text: &str, _: &mut SeqRng) -> String {
        // The counts are discarded: they would count the same text again in each epoch.
        let mut cleaner = Cleaner::new(self.0.clone(), Ledger::new());
        cleaner.clean(&Key::new("", 0), text).unwrap_or_default()
    }
}
