//! `clean`: the rules of [`CleanConfig`](crate::clean::CleanConfig) that change a text, without those that drop one.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::TransformError;
use super::entry::{Entry, parse};
use super::texts::{Change, Texts};
use crate::clean::{CleanConfig, Cleaner};
use crate::example::Key;
use crate::ledger::Ledger;
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: "clean",
    summary: "Unicode form, control characters and white space, as documents are cleaned",
    default_config: || json!(CleanTransformConfig::default()),
    is_random: false,
    takes_other_keys: false,
    build: |config, _| {
        let CleanTransformConfig { columns, nfc, nfkc, control, whitespace } =
            parse(ENTRY.name, config)?;
        let rules = CleanConfig { nfc, nfkc, control, whitespace, ..CleanConfig::default() };
        let refused = |error: crate::clean::CleanConfigError| TransformError::Config {
            transform: ENTRY.name,
            reason: error.to_string(),
        };
        rules.check().map_err(refused)?;
        Ok(Box::new(Texts { columns, change: Clean(rules) }))
    },
};

/// Which rules apply, as in [`CleanConfig`](crate::clean::CleanConfig).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CleanTransformConfig {
    /// The columns of texts; none for all.
    pub columns: Vec<String>,
    /// Unicode NFC.
    pub nfc: bool,
    /// Unicode NFKC.
    pub nfkc: bool,
    /// Removes control and invisible characters.
    pub control: bool,
    /// Puts every run of white space as one space or line end.
    pub whitespace: bool,
}

impl Default for CleanTransformConfig {
    fn default() -> Self {
        let CleanConfig { nfc, nfkc, control, whitespace, .. } = CleanConfig::default();
        Self { columns: Vec::new(), nfc, nfkc, control, whitespace }
    }
}

struct Clean(CleanConfig);

impl Change for Clean {
    fn change(&self, text: &str, _: &mut SeqRng) -> String {
        // Counted nowhere: the same text would be counted in each epoch.
        let mut cleaner = Cleaner::new(self.0.clone(), Ledger::new());
        cleaner.clean(&Key::new("", 0), text).unwrap_or_default()
    }
}
