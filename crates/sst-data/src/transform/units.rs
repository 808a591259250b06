//! The units in which the length of a text is counted.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::words::word_ranges;

/// The unit in which the length of a text is counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Words, as [`word_ranges`] finds them: Chinese words as jieba segments them, elsewhere runs of letters. Each
    /// punctuation mark counts as a word.
    #[default]
    Words,
    /// Characters (Unicode code points) that are not white space.
    Characters,
}

impl Unit {
    /// The byte ranges of the units of `text`, in order.
    pub(super) fn ranges(self, text: &str) -> Vec<Range<usize>> {
        match self {
            Self::Words => word_ranges(text),
            Self::Characters => {
                let characters = text.char_indices().filter(|(_, c)| !c.is_whitespace());
                characters.map(|(at, c)| at..at + c.len_utf8()).collect()
            }
        }
    }
}
