//! The test set, indexed so that what it shares with a reference text is found in one pass over that text.

use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::config::{LeakConfig, LeakError};
use super::grams::Grams;
use super::near::least_common;
use super::vocabulary::Vocabulary;
use super::words::Words;
use crate::example::Key;

/// The most words of a test set: half of the numbers of 32 bits, so that words of reference texts can be numbered, too.
const MAX_WORDS: usize = 1 << 31;

/// A place where a test text is looked for when one of its shingles is found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seed {
    /// The distinct text.
    pub(super) text: u32,
    /// How many of its words stand before the shingle, if the whole text is compared there. The rarest shingle of a text
    /// has it.
    pub(super) offset: Option<u32>,
}

/// The test texts. Texts with the same words are one *distinct text*, which is searched once.
#[derive(Debug)]
pub(super) struct TestSet {
    /// The place of each test text.
    pub(super) keys: Vec<Key>,
    /// The distinct text of each test text; `None` if it has no words.
    pub(super) distinct: Vec<Option<u32>>,
    pub(super) vocabulary: Vocabulary,
    /// The words of the distinct texts, one text after the other.
    pub(super) words: Vec<u32>,
    /// Where each distinct text begins in `words`, and the end of the last one.
    starts: Vec<usize>,
    pub(super) ngrams: Grams,
    pub(super) shingles: Grams,
    /// The seeds by shingle.
    pub(super) seeds: Vec<Vec<Seed>>,
    /// The distinct texts that are too short to have a shingle.
    pub(super) short: HashMap<Vec<u32>, u32, FixedState>,
    /// Their lengths, each once.
    pub(super) short_lengths: Vec<usize>,
}

impl TestSet {
    pub(super) fn new<T: AsRef<str>>(
        config: &LeakConfig,
        tests: impl IntoIterator<Item = (Key, T)>,
    ) -> Result<Self, LeakError> {
        let mut set = Self {
            keys: Vec::new(),
            distinct: Vec::new(),
            vocabulary: Vocabulary::default(),
            words: Vec::new(),
            starts: vec![0],
            ngrams: Grams::new(config.ngram),
            shingles: Grams::new(config.shingle),
            seeds: Vec::new(),
            short: HashMap::default(),
            short_lengths: Vec::new(),
        };
        let mut texts: HashMap<Vec<u32>, u32, FixedState> = HashMap::default();
        for (key, text) in tests {
            let words: Vec<u32> =
                Words::of(text.as_ref()).iter().map(|word| set.vocabulary.add(word)).collect();
            set.keys.push(key);
            if words.is_empty() {
                set.distinct.push(None);
                continue;
            }
            if let Some(text) = texts.get(&words) {
                set.distinct.push(Some(*text));
                continue;
            }
            if set.words.len() + words.len() > MAX_WORDS {
                return Err(LeakError::TooManyWords(MAX_WORDS));
            }
            set.words.extend_from_slice(&words);
            set.starts.push(set.words.len());
            set.distinct.push(Some(texts.len() as u32));
            texts.insert(words, texts.len() as u32);
        }
        set.index_ngrams(config.ngram);
        set.index_shingles(config);
        let is_short = |(words, _): &(Vec<u32>, u32)| words.len() < config.shingle;
        set.short = texts.into_iter().filter(is_short).collect();
        set.short_lengths = set.short.keys().map(Vec::len).collect();
        set.short_lengths.sort_unstable();
        set.short_lengths.dedup();
        Ok(set)
    }

    /// The number of distinct texts.
    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// Where the words of distinct text `text` stand in `words`.
    pub(super) fn range(&self, text: u32) -> Range<usize> {
        self.starts[text as usize]..self.starts[text as usize + 1]
    }

    /// The words of distinct text `text`.
    pub(super) fn text(&self, text: u32) -> &[u32] {
        &self.words[self.range(text)]
    }

    /// The n-grams of distinct text `text`, from the first word on.
    pub(super) fn ngrams_of(&self, text: u32) -> impl Iterator<Item = u32> {
        let runs = self.text(text).windows(self.ngrams.run_length());
        runs.filter_map(|run| self.ngrams.find(&self.words, run))
    }

    fn index_ngrams(&mut self, length: usize) {
        for text in 0..self.count() as u32 {
            for start in starts_of_runs(self.range(text), length) {
                self.ngrams.add(&self.words, start);
            }
        }
    }

    /// Chooses the shingles of each text that are its seeds.
    ///
    /// A window that is similar enough shares at least `least` of the `n` distinct shingles of a text, so it has at least
    /// one of any `n - least + 1` of them (prefix filtering: Chaudhuri et al. 2006, "A Primitive Operator for Similarity
    /// Joins in Data Cleaning"). The seeds are those that are rarest in the test set. An exact duplicate has all shingles,
    /// so it is compared at the rarest one only.
    fn index_shingles(&mut self, config: &LeakConfig) {
        let mut of_texts = Vec::with_capacity(self.count());
        let mut frequencies: Vec<u32> = Vec::new();
        for text in 0..self.count() as u32 {
            let range = self.range(text);
            // The shingles of the text, each with the number of words before its first occurrence.
            let mut shingles: Vec<(u32, u32)> = starts_of_runs(range.clone(), config.shingle)
                .map(|at| (self.shingles.add(&self.words, at), (at - range.start) as u32))
                .collect();
            shingles.sort_unstable();
            shingles.dedup_by_key(|(shingle, _)| *shingle);
            frequencies.resize(self.shingles.len(), 0);
            for (shingle, _) in &shingles {
                frequencies[*shingle as usize] += 1;
            }
            of_texts.push(shingles);
        }
        self.seeds = vec![Vec::new(); self.shingles.len()];
        for (text, mut shingles) in (0..).zip(of_texts) {
            shingles
                .sort_unstable_by_key(|(shingle, _)| (frequencies[*shingle as usize], *shingle));
            let least = least_common(shingles.len(), config.similarity);
            let seeds = shingles.len() + 1 - least;
            for (rank, (shingle, offset)) in shingles.into_iter().enumerate().take(seeds) {
                let offset = (rank == 0).then_some(offset);
                self.seeds[shingle as usize].push(Seed { text, offset });
            }
        }
    }
}

/// Where the runs of `length` words begin that lie within `text`.
fn starts_of_runs(text: Range<usize>, length: usize) -> Range<usize> {
    let end = (text.len() + 1).saturating_sub(length);
    text.start..text.start + end
}
