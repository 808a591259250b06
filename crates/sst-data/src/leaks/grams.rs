//! The distinct runs of a fixed number of words in the test set.

use std::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

/// An index of runs of `length` words, numbered from 0. It holds the place of each run in the words of the test set and not
/// the run itself, so every method gets these words as `words`.
#[derive(Debug)]
pub(super) struct Grams {
    length: usize,
    table: HashTable<u32>,
    /// Where each run first begins in the words of the test set.
    starts: Vec<u32>,
    hasher: FixedState,
}

impl Grams {
    pub(super) fn new(length: usize) -> Self {
        Self { length, table: HashTable::new(), starts: Vec::new(), hasher: FixedState::default() }
    }

    /// The number of words of each run.
    pub(super) fn run_length(&self) -> usize {
        self.length
    }

    /// The number of distinct runs.
    pub(super) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The number of the run that begins at word `start`, which is added if it is new.
    pub(super) fn add(&mut self, words: &[u32], start: usize) -> u32 {
        let run = &words[start..start + self.length];
        if let Some(number) = self.find(words, run) {
            return number;
        }
        let Self { length, starts, hasher, table } = self;
        let number = starts.len() as u32;
        starts.push(start as u32);
        let hash = |number: &u32| {
            let start = starts[*number as usize] as usize;
            hasher.hash_one(&words[start..start + *length])
        };
        table.insert_unique(hash(&number), number, hash);
        number
    }

    /// The number of `run`, word by word the same; `None` if no test text has it.
    pub(super) fn find(&self, words: &[u32], run: &[u32]) -> Option<u32> {
        let is_run = |number: &u32| {
            let start = self.starts[*number as usize] as usize;
            &words[start..start + self.length] == run
        };
        self.table.find(self.hasher.hash_one(run), is_run).copied()
    }
}
