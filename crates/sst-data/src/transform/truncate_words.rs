//! `truncate_words`: the first or the last words of a text, or both, and not those between.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entry::{Entry, parse};
use super::texts::{Change, Texts};
use super::{TransformError, Unit};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: "truncate_words",
    summary: "the first or last words of a text, or both",
    default_config: || json!(TruncateWordsConfig::default()),
    is_random: false,
    takes_other_keys: false,
    build: |config, _| {
        let config: TruncateWordsConfig = parse(ENTRY.name, config)?;
        if config.count == 0 {
            let reason = "count is 0 and must be at least 1".to_owned();
            return Err(TransformError::Config { transform: ENTRY.name, reason });
        }
        Ok(Box::new(Texts { columns: config.columns.clone(), change: TruncateWords(config) }))
    },
};

/// Which end of a text is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// Its beginning.
    #[default]
    First,
    /// Its end.
    Last,
    /// A quarter of the words from its beginning and the rest from its end, as Sun et al. 2019, "How to Fine-Tune BERT for
    /// Text Classification?", section 5.3.1, found best for long reviews (128 and 382 of 510 tokens).
    Both,
}

/// How texts are truncated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TruncateWordsConfig {
    /// The columns of texts; none for all.
    pub columns: Vec<String>,
    /// How many words (or characters) are kept; 384, of which most tokenizers make no more than 512 tokens.
    pub count: usize,
    /// What is counted.
    pub unit: Unit,
    /// Which end of the text is kept.
    pub keep: Keep,
}

impl Default for TruncateWordsConfig {
    fn default() -> Self {
        Self { columns: Vec::new(), count: 384, unit: Unit::Words, keep: Keep::First }
    }
}

struct TruncateWords(TruncateWordsConfig);

impl Change for TruncateWords {
    fn change(&self, text: &str, _: &mut SeqRng) -> String {
        let (count, units) = (self.0.count, self.0.unit.ranges(text));
        if units.len() <= count {
            return text.to_owned();
        }
        let head = match self.0.keep {
            Keep::First => count,
            Keep::Last => 0,
            Keep::Both => count / 4,
        };
        let tail = units.len() - (count - head);
        let first = if head == 0 { "" } else { &text[..units[head - 1].end] };
        let last = units.get(tail).map_or("", |unit| &text[unit.start..]);
        // White space stays between the two where there was some.
        let gap = match self.0.keep {
            Keep::Both
                if head > 0
                    && text[units[head - 1].end..units[tail].start]
                        .contains(char::is_whitespace) =>
            {
                " "
            }
            _ => "",
        };
        [first, gap, last].concat()
    }
}
