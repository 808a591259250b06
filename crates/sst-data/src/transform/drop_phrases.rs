//! `drop_phrases`: keeps a random part of the phrases of a text, in a random order. For captions that list keywords, each
//! epoch has another list, so that a model learns the words and not the list.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::TransformError;
use super::entry::{Entry, parse};
use super::texts::{TextChange, TextTransform};
use crate::rng::SeqRng;

pub(super) const ENTRY: Entry = Entry {
    name: "drop_phrases",
    summary: "leaves out some of the phrases between commas, and shuffles the others",
    default_config: || json!(DropPhrasesConfig::default()),
    is_random: true,
    takes_other_keys: false,
    build: |config, _| {
        let DropPhrasesConfig { columns, rate, shuffle } = parse(ENTRY.name, config)?;
        if !(0.0..=1.0).contains(&rate) {
            let reason = format!("rate is {rate} and must be from 0 to 1");
            return Err(TransformError::Config { transform: ENTRY.name, reason });
        }
        Ok(Box::new(TextTransform { columns, change: DropPhrases { rate, shuffle } }))
    },
};

/// The keys of `drop_phrases`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DropPhrasesConfig {
    /// The text columns to change; empty for all.
    pub columns: Vec<String>,
    /// The probability with which each phrase is left out. One is kept always. Default: 0.5.
    pub rate: f64,
    /// Whether the kept phrases are shuffled. Default: true.
    pub shuffle: bool,
}

impl Default for DropPhrasesConfig {
    fn default() -> Self {
        Self { columns: Vec::new(), rate: 0.5, shuffle: true }
    }
}

struct DropPhrases {
    rate: f64,
    shuffle: bool,
}

impl TextChange for DropPhrases {
    /// Separators are those that the text has between its phrases, in their order.
    fn change(&self, text: &str, rng: &mut SeqRng) -> String {
        let separators = separators(text);
        if separators.is_empty() {
            return text.to_owned();
        }
        let starts = std::iter::once(0).chain(separators.iter().map(|range| range.end));
        let ends = separators.iter().map(|range| range.start).chain([text.len()]);
        let phrases = starts.zip(ends).map(|(start, end)| text[start..end].trim());
        let phrases: Vec<&str> = phrases.filter(|phrase| !phrase.is_empty()).collect();
        let mut kept: Vec<&str> =
            phrases.iter().copied().filter(|_| !rng.chance(self.rate)).collect();
        if kept.is_empty() {
            let at = rng.below(phrases.len().max(1) as u64) as usize;
            kept.extend(phrases.get(at));
        }
        if self.shuffle {
            rng.shuffle(&mut kept);
        }
        let mut out = String::with_capacity(text.len());
        for (at, phrase) in kept.iter().enumerate() {
            if at > 0 {
                let separator = separators.get(at - 1).cloned();
                out += separator.map_or(", ", |range| &text[range]);
            }
            out += phrase;
        }
        // A text of separators alone stays as it is.
        if out.is_empty() { text.to_owned() } else { out }
    }
}

/// The ranges of separators in `text`, with the white space behind them: commas and semicolons before white space, and those
/// of Chinese, Japanese and Arabic anywhere. So the comma of `1,000` is none.
fn separators(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, c) in text.char_indices() {
        let end = at + c.len_utf8();
        let rest = &text[end..];
        let is_separator = match c {
            '，' | '、' | '；' | '،' | '؛' => true,
            ',' | ';' => rest.starts_with(char::is_whitespace),
            _ => false,
        };
        if is_separator {
            found.push(at..end + (rest.len() - rest.trim_start().len()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn changed(text: &str, rate: f64, shuffle: bool) -> BTreeSet<String> {
        let change = DropPhrases { rate, shuffle };
        (0..400).map(|index| change.change(text, &mut SeqRng::new(1, "t", 0, index))).collect()
    }

    #[test]
    fn parts_of_a_list_are_kept() {
        let kept = changed("red, 1,000 bricks; wall", 0.5, false);
        let expected = [
            "red, 1,000 bricks; wall",
            "red, 1,000 bricks",
            "red, wall",
            "1,000 bricks, wall",
            "red",
            "1,000 bricks",
            "wall",
        ];
        assert_eq!(kept, expected.map(str::to_owned).into());
        assert_eq!(
            changed("龙，中国", 0.0, true),
            ["龙，中国", "中国，龙"].map(str::to_owned).into()
        );
        assert_eq!(changed("a, b", 1.0, true), ["a", "b"].map(str::to_owned).into());
    }

    #[test]
    fn other_texts_stay() {
        for text in ["", "a", "1,000", ", ", "，", "a b c"] {
            assert_eq!(changed(text, 0.5, true), [text.to_owned()].into(), "{text:?}");
        }
        assert_eq!(changed("a, ", 0.5, true), ["a".to_owned()].into());
    }

    #[test]
    fn the_rate_is_that_of_each_phrase() {
        let change = DropPhrases { rate: 0.3, shuffle: true };
        let text = (0..40).map(|at| at.to_string()).collect::<Vec<_>>().join(", ");
        let count =
            |index| change.change(&text, &mut SeqRng::new(1, "t", 0, index)).split(", ").count();
        let mean = (0..500).map(count).sum::<usize>() as f64 / 500.0;
        assert!((mean - 28.0).abs() < 0.5, "{mean}");
    }
}
