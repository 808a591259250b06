//! `random_crop`: a stretch of a long text, another one each time that it is drawn.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entry::{Entry, parse};
use super::texts::{Change, Texts};
use super::{TransformError, Unit};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: "random_crop",
    summary: "a random stretch of a long text",
    default_config: || json!(RandomCropConfig::default()),
    is_random: true,
    takes_other_keys: false,
    build: |config, _| {
        let config: RandomCropConfig = parse(ENTRY.name, config)?;
        if config.count == 0 {
            let reason = "count is 0 and must be at least 1".to_owned();
            return Err(TransformError::Config { transform: ENTRY.name, reason });
        }
        Ok(Box::new(Texts { columns: config.columns.clone(), change: RandomCrop(config) }))
    },
};

/// How texts are cropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomCropConfig {
    /// The columns of texts; none for all.
    pub columns: Vec<String>,
    /// The words (or characters) of the stretch; 384, of which most tokenizers make no more than 512 tokens. Shorter texts
    /// stay as they are.
    pub count: usize,
    /// What is counted.
    pub unit: Unit,
}

impl Default for RandomCropConfig {
    fn default() -> Self {
        Self { columns: Vec::new(), count: 384, unit: Unit::Words }
    }
}

struct RandomCrop(RandomCropConfig);

impl Change for RandomCrop {
    /// Every stretch of `count` units is as likely.
    fn change(&self, text: &str, rng: &mut SeqRng) -> String {
        let (count, units) = (self.0.count, self.0.unit.ranges(text));
        if units.len() <= count {
            return text.to_owned();
        }
        let first = rng.below((units.len() - count) as u64 + 1) as usize;
        text[units[first].start..units[first + count - 1].end].to_owned()
    }
}
