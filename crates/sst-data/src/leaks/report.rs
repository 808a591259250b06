//! What a search for leaks found.

use serde::{Serialize, Serializer};

use super::config::LeakConfig;
use crate::example::Key;

/// How much of a test set stands in the reference texts. The [module](super) says what exact and near duplicates are.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Leaks {
    /// The settings of the search.
    pub config: LeakConfig,
    /// The number of reference texts that were read.
    pub references: u64,
    /// The number of their words.
    pub reference_words: u64,
    /// The number of test texts.
    pub texts: u64,
    /// The test texts without a word (a letter, digit or Han character). They are never found.
    pub empty: u64,
    /// The test texts whose words are those of an earlier test text.
    pub repeated: u64,
    /// The exact duplicates.
    pub exact: u64,
    /// Those of `exact` that have fewer words than an n-gram, and may stand in a large corpus by chance.
    pub exact_short: u64,
    /// The near duplicates that are not exact ones.
    pub near: u64,
    /// The test texts that have fewer words than a shingle, and so can be exact duplicates but not near ones.
    pub too_short_near: u64,
    /// The test texts with at least one n-gram that stands in a reference text.
    pub any_ngram: u64,
    /// The test texts that have fewer words than an n-gram. They are not in `any_ngram`, and yet not clean: `exact` counts
    /// those of them that stand in a reference text.
    pub too_short: u64,
    /// The n-grams of all test texts. One that occurs several times is counted each time.
    pub ngrams: u64,
    /// Those of `ngrams` that stand in a reference text.
    pub ngrams_found: u64,
    /// The first test texts of each kind, at most [`LeakConfig::examples`] of each, by kind and in the order of the test
    /// set. A text that is of several kinds is an example of the first of them only, but for `repeated`. The reference
    /// text is the first one that was read.
    pub examples: Vec<LeakExample>,
}

/// A kind of leak. The order is from the most to the least that leaked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LeakKind {
    /// All words of the test text stand in the reference text.
    Exact,
    /// A passage of the reference text is similar to the test text.
    Near,
    /// An n-gram of the test text stands in the reference text.
    Ngram,
    /// The test text has the words of an earlier test text, which `reference` names.
    Repeated,
}

/// A test text that leaked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeakExample {
    /// The kind of leak.
    pub kind: LeakKind,
    /// The test text.
    #[serde(serialize_with = "as_place")]
    pub text: Key,
    /// The reference text.
    #[serde(serialize_with = "as_place")]
    pub reference: Key,
    /// The beginning of what the reference text has, up to 200 characters: the words as they are compared, without
    /// punctuation.
    pub words: String,
    /// The Jaccard similarity of a near duplicate and the most similar passage of `reference`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub similarity: Option<f64>,
}

impl Leaks {
    /// The share of the test texts with an n-gram that stands in a reference text, among those that are long enough to have
    /// an n-gram; `None` if no text is.
    pub fn any_ngram_share(&self) -> Option<f64> {
        share(self.any_ngram, self.texts - self.too_short)
    }

    /// The share of the n-grams of the test set that stand in a reference text; `None` if there are no n-grams.
    pub fn ngrams_found_share(&self) -> Option<f64> {
        share(self.ngrams_found, self.ngrams)
    }
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// A key as `file:line`.
fn as_place<S: Serializer>(key: &Key, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(key)
}
