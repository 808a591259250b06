//! `truncate_words`: keeps the first or the last words of a text, or some of both, and removes the rest.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entry::{Entry, parse};
use super::texts::{TextChange, TextTransform};
use super::{TransformError, Unit};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: "truncate_words",
    summary: "keeps the first or last words of a text, or some of both",
    default_config: || json!(TruncateWordsConfig::default()),
    is_random: false,
    takes_other_keys: false,
    build: |config, _| {
        let config: TruncateWordsConfig = parse(ENTRY.name, config)?;
        if config.count == 0 {
            let reason = "count is 0 and must be at least 1".to_owned();
            return Err(TransformError::Config { transform: ENTRY.name, reason });
        }
        let columns = config.columns.clone();
        Ok(Box::new(TextTransform { columns, change: TruncateWords(config) }))
    },
};

/// The part of a text that is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Keep {
    /// The beginning.
    #[default]
    First,
    /// The end.
    Last,
    /// A quarter of the words from the beginning and the rest from the end. Sun et al. 2019, "How to Fine-Tune BERT for
    /// Text Classification?", section 5.3.1, found this best for long reviews (128 and 382 of 510 tokens).
    Both,
}

/// The keys of `truncate_words`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TruncateWordsConfig {
    /// The text columns to change; empty for all.
    pub columns: Vec<String>,
    /// The number of words (or characters) that are kept. Most tokenizers turn the default of 384 words into at most 512
    /// tokens.
    pub count: usize,
    /// The unit of `count`.
    pub unit: Unit,
    /// The part of the text that is kept.
    pub keep: Keep,
}

impl Default for TruncateWordsConfig {
    fn default() -> Self {
        Self { columns: Vec::new(), count: 384, unit: Unit::Words, keep: Keep::First }
    }
}

struct TruncateWords(TruncateWordsConfig);

impl TextChange for TruncateWords {
    fn change(&self, text: &str, _: &mut SeqRng) -> String {
        let (count, units) = (self.0.count, self.0.unit.ranges(text));
        if units.len() <= count {
            return text.to_owned();
        }
        let head_units = match self.0.keep {
            Keep::First => count,
            Keep::Last => 0,
            Keep::Both => count / 4,
        };
        let tail_start = units.len() - (count - head_units);
        let head = if head_units == 0 { "" } else { &text[..units[head_units - 1].end] };
        let tail = units.get(tail_start).map_or("", |unit| &text[unit.start..]);
        // If the removed part contains white space, head and tail are separated by a space.
        let removes_white_space = self.0.keep == Keep::Both
            && head_units > 0
            && text[units[head_units - 1].end..units[tail_start].start]
                .contains(char::is_whitespace);
        let separator = if removes_white_space { " " } else { "" };
        [head, separator, tail].concat()
    }
}
