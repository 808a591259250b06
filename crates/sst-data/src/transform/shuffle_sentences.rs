//! `shuffle_sentences`: shuffles the sentences of a text, into another order in each epoch (Lewis et al. 2020, "BART",
//! section 2.2).

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::entry::{Entry, parse};
use super::texts::{TextChange, TextTransform};
use crate::rng::SeqRng;
use crate::sentence::split_sentences;

pub(super) const ENTRY: Entry = Entry {
    name: "shuffle_sentences",
    summary: "shuffles the sentences of a text",
    default_config: || json!(ShuffleSentencesConfig::default()),
    is_random: true,
    takes_other_keys: false,
    build: |config, _| {
        let ShuffleSentencesConfig { columns } = parse(ENTRY.name, config)?;
        Ok(Box::new(TextTransform { columns, change: ShuffleSentences }))
    },
};

/// The keys of `shuffle_sentences`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShuffleSentencesConfig {
    /// The text columns to change; empty for all.
    pub columns: Vec<String>,
}

struct ShuffleSentences;

impl TextChange for ShuffleSentences {
    /// Shuffles the sentences; every order has the same probability. White space between and around the sentences keeps
    /// its position.
    fn change(&self, text: &str, rng: &mut SeqRng) -> String {
        let sentences = split_sentences(text);
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        rng.shuffle(&mut order);
        let mut shuffled = String::with_capacity(text.len());
        let mut previous_end = 0;
        for (original, replacement) in sentences.iter().zip(order) {
            let white_space = &text[previous_end..original.start];
            shuffled.push_str(white_space);
            shuffled.push_str(&text[sentences[replacement].clone()]);
            previous_end = original.end;
        }
        shuffled.push_str(&text[previous_end..]);
        shuffled
    }
}
