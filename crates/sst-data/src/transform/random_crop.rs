//! `random_crop`: keeps a random contiguous part of a long text, another part in each epoch.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entry::{Entry, parse};
use super::texts::{TextChange, TextTransform};
use super::{TransformError, Unit};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: "random_crop",
    summary: "keeps a random contiguous part of a long text",
    default_config: || json!(RandomCropConfig::default()),
    is_random: true,
    takes_other_keys: false,
    build: |config, _| {
        let config: RandomCropConfig = parse(ENTRY.name, config)?;
        if config.count == 0 {
            let reason = "count is 0 and must be at least 1".to_owned();
            return Err(TransformError::Config { transform: ENTRY.name, reason });
        }
        Ok(Box::new(TextTransform { columns: config.columns.clone(), change: RandomCrop(config) }))
    },
};

/// The keys of `random_crop`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCropConfig {
    /// The text columns to change; empty for all.
    pub columns: Vec<String>,
    /// The number of words (or characters) that are kept. Shorter texts stay unchanged. Most tokenizers turn the default of
    /// 384 words into at most 512 tokens.
    pub count: usize,
    /// The unit of `count`.
    pub unit: Unit,
}

impl Default for RandomCropConfig {
    fn default() -> Self {
        Self { columns: Vec::new(), count: 384, unit: Unit::Words }
    }
}

struct RandomCrop(RandomCropConfig);

impl TextChange for RandomCrop {
    /// Keeps `count` consecutive units. Every position of the first unit has the same probability.
    fn change(&self, text: &str, rng: &mut SeqRng) -> String {
        let (count, units) = (self.0.count, self.0.unit.ranges(text));
        if units.len() <= count {
            return text.to_owned();
        }
        let first = rng.below((units.len() - count) as u64 + 1) as usize;
        text[units[first].start..units[first + count - 1].end].to_owned()
    }
}
