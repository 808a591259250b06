//! `deletion`: deletes words (Wei and Zou 2019, "EDA: Easy Data Augmentation Techniques").

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::entry::Entry;
use super::split::Split;
use super::{AugmentError, Context, WordAugment, check_rate, parse, pick};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: Deletion::NAME,
    summary: "leave words out",
    default_config: || json!(DeletionConfig::default()),
    build: |config, context| Ok(Box::new(Deletion::new(config, context)?)),
};

/// How words are deleted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeletionConfig {
    /// The fraction of words that is deleted. The default is 0.1, as in EDA. At least one word is kept.
    pub rate: f64,
}

impl Default for DeletionConfig {
    fn default() -> Self {
        Self { rate: 0.1 }
    }
}

struct Deletion {
    config: DeletionConfig,
    special: Vec<String>,
}

impl Deletion {
    fn new(config: &Value, context: &Context) -> Result<Self, AugmentError> {
        let config: DeletionConfig = parse(Self::NAME, config)?;
        check_rate(Self::NAME, config.rate)?;
        Ok(Self { config, special: context.special.clone() })
    }
}

impl WordAugment for Deletion {
    const NAME: &'static str = "deletion";

    fn special(&self) -> &[String] {
        &self.special
    }

    fn change(&self, text: &Split<'_>, rng: &mut SeqRng) -> String {
        let words = text.words.len();
        let count = pick::count(self.config.rate, words, rng).min(words.saturating_sub(1));
        let chosen = pick::choose(count, words, rng);
        text.without(|word| chosen.contains(&word))
    }
}
