//! `mask`: replaces words by the tokenizer's mask token.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::entry::Entry;
use super::split::Split;
use super::{AugmentError, Context, WordAugment, check_rate, parse, pick};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: Mask::NAME,
    summary: "replace words by the mask token",
    default_config: || json!(MaskConfig::default()),
    build: |config, context| Ok(Box::new(Mask::new(config, context)?)),
};

/// How words are masked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MaskConfig {
    /// The fraction of words that is masked. The default is 0.15, as in BERT.
    pub rate: f64,
    /// The text that replaces a word: one mask token for a word of any length.
    pub mask: String,
}

impl Default for MaskConfig {
    fn default() -> Self {
        Self { rate: 0.15, mask: "[MASK]".to_owned() }
    }
}

struct Mask {
    config: MaskConfig,
    special: Vec<String>,
}

impl Mask {
    fn new(config: &Value, context: &Context) -> Result<Self, AugmentError> {
        let config: MaskConfig = parse(Self::NAME, config)?;
        check_rate(Self::NAME, config.rate)?;
        if config.mask.trim().is_empty() {
            let reason = "mask is empty: set it to the tokenizer's mask token".to_owned();
            return Err(AugmentError::Config { kind: Self::NAME, reason });
        }
        let mut special = context.special.clone();
        special.push(config.mask.clone());
        Ok(Self { config, special })
    }
}

impl WordAugment for Mask {
    const NAME: &'static str = "mask";

    fn special(&self) -> &[String] {
        &self.special
    }

    fn change(&self, text: &Split<'_>, rng: &mut SeqRng) -> String {
        let words = text.words.len();
        let chosen = pick::choose(pick::count(self.config.rate, words, rng), words, rng);
        text.replaced(|word| chosen.contains(&word).then(|| self.config.mask.clone()))
    }
}
