//! The units that texts are cut in.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::words::word_ranges;

/// What a text is counted in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Words, as [`word_ranges`] finds them: in Chinese those of jieba, elsewhere letters between spaces; every sign of
    /// punctuation is one.
    #[default]
    Words,
    /// Characters (Unicode code points) that are not white space.
    Characters,
}

impl Unit {
    /// The units of `text`, in order, as ranges of bytes.
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
