//! What was found of the test set so far, and where.

use super::near::Window;
use super::test_set::TestSet;
use crate::example::Key;

/// What one reference text has of the test set.
#[derive(Debug, Default)]
pub(super) struct Sightings {
    /// The number of words of the reference text.
    pub(super) words: usize,
    /// The distinct texts that it has word by word.
    pub(super) exact: Vec<u32>,
    /// The distinct texts that it has a similar passage to, with the most similar one.
    pub(super) near: Vec<(u32, Passage)>,
    /// The n-grams that it has.
    pub(super) ngrams: Vec<u32>,
}

/// A passage of a reference text that is similar to a test text.
#[derive(Debug, Clone)]
pub(super) struct Passage {
    pub(super) window: Window,
    /// Its words.
    pub(super) words: String,
}

/// The first reference text that has each distinct text, near duplicate and n-gram, as an index into `sources`.
#[derive(Debug)]
pub(super) struct Found {
    /// The reference texts that were the first to have something.
    pub(super) sources: Vec<Key>,
    /// By distinct text.
    pub(super) exact: Vec<Option<u32>>,
    /// By distinct text. A text that was found exact before is not looked for.
    pub(super) near: Vec<Option<(u32, Passage)>>,
    /// By n-gram.
    pub(super) ngrams: Vec<Option<u32>>,
}

impl Found {
    /// Nothing of `tests` was found yet.
    pub(super) fn nothing(tests: &TestSet) -> Self {
        Self {
            sources: Vec::new(),
            exact: vec![None; tests.count()],
            near: vec![None; tests.count()],
            ngrams: vec![None; tests.ngrams.len()],
        }
    }

    /// Adds what the reference text at `key` has and no earlier one had.
    pub(super) fn add(&mut self, key: Key, sightings: Sightings) {
        let source = self.sources.len() as u32;
        let mut is_first = false;
        for text in sightings.exact {
            is_first |= set_first(&mut self.exact[text as usize], source);
        }
        for ngram in sightings.ngrams {
            is_first |= set_first(&mut self.ngrams[ngram as usize], source);
        }
        for (text, passage) in sightings.near {
            is_first |= set_first(&mut self.near[text as usize], (source, passage));
        }
        if is_first {
            self.sources.push(key);
        }
    }
}

/// Sets `place` if nothing is there, and returns whether it did.
fn set_first<T>(place: &mut Option<T>, value: T) -> bool {
    let is_first = place.is_none();
    place.get_or_insert(value);
    is_first
}
