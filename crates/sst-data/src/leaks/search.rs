//! The search itself: a test set, and reference texts one after the other.

use rayon::prelude::*;

use super::config::{LeakConfig, LeakError};
use super::count::count;
use super::found::{Found, Sightings};
use super::report::Leaks;
use super::scan::scan;
use super::test_set::TestSet;
use crate::example::Key;
use crate::ledger::Ledger;
use crate::read::{ReadError, Source};

/// Reference texts are searched in parallel as soon as they have this many bytes together.
const BATCH_BYTES: usize = 4 << 20;

/// Searches a test set in reference texts. The [module](super) says what is found, and has an example.
///
/// Memory grows with the number of words of the test set. Of the reference, a few megabytes are held at a time, or one text
/// if that is longer.
#[derive(Debug)]
pub struct LeakSearch {
    config: LeakConfig,
    tests: TestSet,
    found: Found,
    /// Reference texts that were added and not searched yet.
    waiting: Vec<(Key, String)>,
    waiting_bytes: usize,
    references: u64,
    reference_words: u64,
}

impl LeakSearch {
    /// A search for `tests`, each with the place that it is from. It takes the test texts as they are given: to leave out
    /// those of few words, do not pass them.
    ///
    /// # Errors
    /// Those of [`LeakConfig::check`], and if there are more than 2^31 words.
    pub fn new<T: AsRef<str>>(
        config: LeakConfig,
        tests: impl IntoIterator<Item = (Key, T)>,
    ) -> Result<Self, LeakError> {
        config.check()?;
        let tests = TestSet::new(&config, tests)?;
        let found = Found::nothing(&tests);
        Ok(Self {
            config,
            tests,
            found,
            waiting: Vec::new(),
            waiting_bytes: 0,
            references: 0,
            reference_words: 0,
        })
    }

    /// Adds a reference text. A test text must not be added as its own reference: if both are from one file, the caller
    /// passes the records of the training part only.
    pub fn add(&mut self, key: Key, text: impl Into<String>) {
        let text = text.into();
        self.waiting_bytes += text.len();
        self.waiting.push((key, text));
        if self.waiting_bytes >= BATCH_BYTES {
            self.flush();
        }
    }

    /// Adds the text of every record of `source`, and the texts of its `pair_fields`, each as a reference text of its own.
    ///
    /// # Errors
    /// Those of [`Source::read`]. The texts before the error are searched.
    pub fn read(&mut self, source: &Source, ledger: &Ledger) -> Result<(), ReadError> {
        for example in source.read(ledger)? {
            let example = example?;
            let fields =
                std::iter::once("text").chain(source.pair_fields.iter().map(String::as_str));
            for text in fields.filter_map(|field| example.text(field)) {
                self.add(example.key.clone(), text);
            }
        }
        Ok(())
    }

    /// Searches the texts that were added and not searched yet, on all cores of the rayon pool, and frees them.
    /// [`LeakSearch::add`] calls this whenever they have a few megabytes, so there is seldom a reason to.
    pub fn flush(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.waiting_bytes = 0;
        let scan = |(_, text): &(Key, String)| scan(&self.tests, &self.config, &self.found, text);
        let all: Vec<Sightings> = waiting.par_iter().map(scan).collect();
        // In the order of the texts, so that the first one that has something does not depend on threads.
        for ((key, _), sightings) in waiting.into_iter().zip(all) {
            self.references += 1;
            self.reference_words += sightings.words as u64;
            self.found.add(key, sightings);
        }
    }

    /// What was found in all reference texts that were added.
    pub fn finish(mut self) -> Leaks {
        self.flush();
        count(self.config, &self.tests, &self.found, self.references, self.reference_words)
    }
}
