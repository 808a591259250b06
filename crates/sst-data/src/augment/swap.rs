//! `swap`: swaps pairs of words (Wei and Zou 2019, "EDA").

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::entry::Entry;
use super::split::Split;
use super::{AugmentError, Context, WordAugment, check_rate, parse, pick};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: Swap::NAME,
    summary: "swap pairs of words",
    default_config: || json!(SwapConfig::default()),
    build: |config, context| Ok(Box::new(Swap::new(config, context)?)),
};

/// How words are swapped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SwapConfig {
    /// The fraction of words that change their position. A swap moves two words, so the default of 0.2 makes as many
    /// swaps as EDA with its 0.1.
    pub rate: f64,
}

impl Default for SwapConfig {
    fn default() -> Self {
        Self { rate: 0.2 }
    }
}

struct Swap {
    config: SwapConfig,
    special: Vec<String>,
}

impl Swap {
    fn new(config: &Value, context: &Context) -> Result<Self, AugmentError> {
        let config: SwapConfig = parse(Self::NAME, config)?;
        check_rate(Self::NAME, config.rate)?;
        Ok(Self { config, special: context.special.clone() })
    }
}

impl WordAugment for Swap {
    const NAME: &'static str = "swap";

    fn special(&self) -> &[String] {
        &self.special
    }

    /// Swaps words. Punctuation and spaces keep their positions.
    fn change(&self, text: &Split<'_>, rng: &mut SeqRng) -> String {
        let words = text.words.len();
        let most = (self.config.rate * words as f64).ceil() as usize / 2;
        let swaps = pick::count(self.config.rate / 2.0, words, rng).min(most);
        let chosen = pick::choose(2 * swaps, words, rng);
        let mut order: Vec<usize> = (0..words).collect();
        for pair in chosen.chunks_exact(2) {
            order.swap(pair[0], pair[1]);
        }
        text.replaced(|word| Some(text.word(order[word]).to_owned()))
    }
}
