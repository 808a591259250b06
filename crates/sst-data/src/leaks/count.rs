//! Adds up what was found, test text by test text.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::config::LeakConfig;
use super::found::Found;
use super::report::{LeakExample, LeakKind, Leaks};
use super::scan::SHOWN;
use super::test_set::TestSet;
use super::words::join;
use crate::example::Key;

/// What was found of `tests` in `references` texts of `reference_words` words together.
pub(super) fn count(
    config: LeakConfig,
    tests: &TestSet,
    found: &Found,
    references: u64,
    reference_words: u64,
) -> Leaks {
    let mut leaks = Leaks {
        references,
        reference_words,
        texts: tests.keys.len() as u64,
        empty: 0,
        repeated: 0,
        exact: 0,
        exact_short: 0,
        near: 0,
        too_short_near: 0,
        any_ngram: 0,
        too_short: 0,
        ngrams: 0,
        ngrams_found: 0,
        examples: Vec::new(),
        config,
    };
    let limit = leaks.config.examples;
    let mut examples =
        Examples { limit, spellings: tests.vocabulary.spellings(), kept: BTreeMap::new() };
    let source = |index: u32| &found.sources[index as usize];
    let mut first_keys: HashMap<u32, &Key, FixedState> = HashMap::default();
    for (key, text) in tests.keys.iter().zip(&tests.distinct) {
        let words = text.map_or(&[][..], |text| tests.text(text));
        let is_short = words.len() < leaks.config.ngram;
        leaks.too_short += u64::from(is_short);
        leaks.too_short_near += u64::from(words.len() < leaks.config.shingle);
        let Some(text) = *text else {
            leaks.empty += 1;
            continue;
        };
        if let Some(first) = first_keys.get(&text) {
            leaks.repeated += 1;
            examples.add(LeakKind::Repeated, key, first, words);
        } else {
            first_keys.insert(text, key);
        }
        // The reference text that was the first to have an n-gram of the text, and where that n-gram begins.
        let mut first_ngram: Option<(u32, usize)> = None;
        for (at, ngram) in tests.ngrams_of(text).enumerate() {
            leaks.ngrams += 1;
            if let Some(index) = found.ngrams[ngram as usize] {
                leaks.ngrams_found += 1;
                first_ngram = Some(first_ngram.map_or((index, at), |first| first.min((index, at))));
            }
        }
        leaks.any_ngram += u64::from(first_ngram.is_some());
        if let Some(index) = found.exact[text as usize] {
            leaks.exact += 1;
            leaks.exact_short += u64::from(is_short);
            examples.add(LeakKind::Exact, key, source(index), words);
        } else if let Some((index, passage)) = &found.near[text as usize] {
            leaks.near += 1;
            examples.push(LeakKind::Near, || LeakExample {
                kind: LeakKind::Near,
                text: key.clone(),
                reference: source(*index).clone(),
                words: passage.words.clone(),
                similarity: Some(passage.window.similarity()),
            });
        } else if let Some((index, at)) = first_ngram {
            let ngram = &words[at..at + leaks.config.ngram];
            examples.add(LeakKind::Ngram, key, source(index), ngram);
        }
    }
    leaks.examples = examples.kept.into_values().flatten().collect();
    leaks
}

/// The first examples of each kind.
struct Examples<'a> {
    limit: usize,
    /// The words of the test set by their numbers.
    spellings: Vec<&'a str>,
    kept: BTreeMap<LeakKind, Vec<LeakExample>>,
}

impl Examples<'_> {
    /// Adds the example that `make` makes if there are not enough of `kind`.
    fn push(&mut self, kind: LeakKind, make: impl FnOnce() -> LeakExample) {
        let kept = self.kept.entry(kind).or_default();
        if kept.len() < self.limit {
            kept.push(make());
        }
    }

    /// Adds an example of `words` of the test set that stand at `reference`.
    fn add(&mut self, kind: LeakKind, text: &Key, reference: &Key, words: &[u32]) {
        let kept = self.kept.entry(kind).or_default();
        if kept.len() < self.limit {
            let words = words.iter().map(|id| self.spellings[*id as usize]);
            let (text, reference) = (text.clone(), reference.clone());
            let words = join(words, SHOWN);
            kept.push(LeakExample { kind, text, reference, words, similarity: None });
        }
    }
}
