//! Numbers the words of the test set, so that texts are compared as numbers.

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::words::Words;

/// The number of every word that no test text has. No two of these words are told apart by it.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// The words of the test set, numbered from 0 in the order in which they first occur.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    ids: HashMap<String, u32, FixedState>,
}

impl Vocabulary {
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// The number of `word`, which is added if it is new.
    pub(super) fn add(&mut self, word: &str) -> u32 {
        let next = self.ids.len() as u32;
        *self.ids.entry_ref(word).or_insert(next)
    }

    /// The numbers of `words`; [`UNKNOWN`] for those of no test text.
    pub(super) fn ids(&self, words: &Words) -> Vec<u32> {
        words.iter().map(|word| self.ids.get(word).copied().unwrap_or(UNKNOWN)).collect()
    }

    /// The words by their numbers.
    pub(super) fn spellings(&self) -> Vec<&str> {
        let mut words: Vec<(u32, &str)> =
            self.ids.iter().map(|(word, id)| (*id, word.as_str())).collect();
        words.sort_unstable();
        words.into_iter().map(|(_, word)| word).collect()
    }
}
