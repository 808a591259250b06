//! Finds what one reference text has of the test set.

use std::collections::BTreeMap;
use std::ops::Range;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use super::config::LeakConfig;
use super::found::{Found, Passage, Sightings};
use super::near::{Window, most_similar};
use super::test_set::{Seed, TestSet};
use super::vocabulary::UNKNOWN;
use super::words::{Words, join};

/// The most characters of a passage that is shown.
pub(super) const SHOWN: usize = 200;

/// One reference text, and what was found in it so far.
struct Scan<'a> {
    tests: &'a TestSet,
    config: &'a LeakConfig,
    found: &'a Found,
    words: Words,
    /// The words as numbers of the test set's vocabulary.
    ids: Vec<u32>,
    exact: HashSet<u32, FixedState>,
    ngrams: HashSet<u32, FixedState>,
    /// Where the windows begin that may be similar to a distinct text, in ascending ranges without overlap.
    candidates: BTreeMap<u32, Vec<Range<usize>>>,
}

/// What the reference text `text` has of `tests` and is not in `found` yet.
pub(super) fn scan(tests: &TestSet, config: &LeakConfig, found: &Found, text: &str) -> Sightings {
    let words = Words::of(text);
    let ids = tests.vocabulary.ids(&words);
    let mut scan = Scan {
        tests,
        config,
        found,
        words,
        ids,
        exact: HashSet::default(),
        ngrams: HashSet::default(),
        candidates: BTreeMap::new(),
    };
    scan.look_up_runs();
    let near = scan.near();
    Sightings {
        words: scan.ids.len(),
        exact: scan.exact.into_iter().collect(),
        near,
        ngrams: scan.ngrams.into_iter().collect(),
    }
}

impl Scan<'_> {
    /// Looks up the runs of words that begin at each word of the text. A run with a word of no test text cannot be found.
    fn look_up_runs(&mut self) {
        let tests = self.tests;
        let mut known_end = 0;
        for start in 0..self.ids.len() {
            if known_end <= start {
                let known = self.ids[start..].iter().take_while(|id| **id != UNKNOWN);
                known_end = start + known.count();
            }
            let known = &self.ids[start..known_end];
            let find = |length: usize| known.get(..length);
            if let Some(run) = find(self.config.ngram)
                && let Some(ngram) = tests.ngrams.find(&tests.words, run)
                && self.found.ngrams[ngram as usize].is_none()
            {
                self.ngrams.insert(ngram);
            }
            for run in tests.short_lengths.iter().map_while(|length| find(*length)) {
                if let Some(text) = tests.short.get(run)
                    && self.found.exact[*text as usize].is_none()
                {
                    self.exact.insert(*text);
                }
            }
            if let Some(run) = find(self.config.shingle)
                && let Some(shingle) = tests.shingles.find(&tests.words, run)
            {
                for seed in &tests.seeds[shingle as usize] {
                    self.compare_at(start, *seed);
                }
            }
        }
    }

    /// Compares the text of a seed that was found at word `start`, and notes which windows may be similar to it.
    fn compare_at(&mut self, start: usize, seed: Seed) {
        let text = seed.text as usize;
        if self.found.exact[text].is_some() || self.exact.contains(&seed.text) {
            return;
        }
        let words = self.tests.text(seed.text);
        if let Some(offset) = seed.offset
            && let Some(first) = start.checked_sub(offset as usize)
            && self.ids.get(first..first + words.len()) == Some(words)
        {
            self.exact.insert(seed.text);
            return;
        }
        if self.found.near[text].is_some() {
            return;
        }
        // The windows that have the whole shingle.
        let width = words.len().min(self.ids.len());
        let first = (start + self.config.shingle).saturating_sub(width);
        let end = start.min(self.ids.len() - width) + 1;
        let ranges = self.candidates.entry(seed.text).or_default();
        match ranges.last_mut() {
            Some(last) if first <= last.end => last.end = end,
            _ => ranges.push(first..end),
        }
    }

    /// The distinct texts that are similar to a window, with the first of the most similar ones.
    fn near(&self) -> Vec<(u32, Passage)> {
        let mut near = Vec::new();
        for (text, ranges) in &self.candidates {
            if self.exact.contains(text) {
                continue;
            }
            let width = self.tests.text(*text).len().min(self.ids.len());
            let mut best: Option<Window> = None;
            for window in ranges.iter().filter_map(|starts| self.compare(*text, starts, width)) {
                if best.is_none_or(|best| window.is_more_similar(best)) {
                    best = Some(window);
                }
            }
            if let Some(window) = best.filter(|best| best.similarity() >= self.config.similarity) {
                let words = (window.start..window.start + width).map(|at| self.words.get(at));
                near.push((*text, Passage { window, words: join(words, SHOWN) }));
            }
        }
        near
    }

    /// The most similar of the windows of `width` words that begin at `starts`.
    fn compare(&self, text: u32, starts: &Range<usize>, width: usize) -> Option<Window> {
        let region = self.told_apart(starts.start..starts.end - 1 + width);
        let test = self.tests.text(text);
        let mut window = most_similar(test, &region, width, self.config.shingle)?;
        window.start += starts.start;
        Some(window)
    }

    /// The words of the text in `range` as numbers, in which words of no test text have numbers of their own, too. So the
    /// distinct shingles can be counted.
    fn told_apart(&self, range: Range<usize>) -> Vec<u32> {
        let mut others: HashMap<&str, u32, FixedState> = HashMap::default();
        let first = self.tests.vocabulary.len() as u32;
        let number = |at: usize| match self.ids[at] {
            UNKNOWN => {
                let next = first + others.len() as u32;
                *others.entry(self.words.get(at)).or_insert(next)
            }
            id => id,
        };
        range.map(number).collect()
    }
}
