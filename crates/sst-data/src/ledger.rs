//! The ledger counts, by name, everything that is dropped, truncated, skipped or not used.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::example::Key;
use crate::unused::Unused;

/// One entry of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The count.
    pub count: u64,
    /// The first place that was counted, as `file:line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The names of what was counted, if they are few enough to list: those of an [`Unused`], sorted and each once, or
    /// the most frequent characters that a tokenizer does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
}

impl Entry {
    /// Whether its count is the number of the names that it lists.
    fn is_list(&self) -> bool {
        !self.items.is_empty() && self.count == self.items.len() as u64
    }
}

/// Counts by name (`clean.too_short`, `rows.truncated_tokens`, ...). Clones share the counts.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    entries: Arc<Mutex<BTreeMap<String, Entry>>>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `count` to the entry `name`, which keeps the `place` of the first count. A `count` of 0 adds no entry.
    pub fn add(&self, name: &str, count: u64, place: Option<&Key>) {
        if count == 0 {
            return;
        }
        let mut entries = self.lock();
        match entries.get_mut(name) {
            Some(entry) => entry.count += count,
            None => {
                let first = place.map(Key::to_string);
                let entry = Entry { count, first, items: Vec::new() };
                entries.insert(name.to_owned(), entry);
            }
        }
    }

    /// Lists what was found in a file and not used, as `unused.KIND`. An item that is listed already is
    /// not listed or counted again.
    pub fn add_unused(&self, unused: &Unused) {
        for (kind, items) in unused.iter() {
            self.add_items(kind.name(), items);
        }
    }

    /// Adds `items` to the names that entry `name` lists, each once, and counts them. Without items there is no entry.
    pub fn add_items<'a>(&self, name: &str, items: impl IntoIterator<Item = &'a String>) {
        let mut items = items.into_iter().peekable();
        if items.peek().is_none() {
            return;
        }
        let mut entries = self.lock();
        let empty = Entry { count: 0, first: None, items: Vec::new() };
        let entry = entries.entry(name.to_owned()).or_insert(empty);
        entry.items.extend(items.cloned());
        entry.items.sort_unstable();
        entry.items.dedup();
        entry.count = entry.items.len() as u64;
    }

    /// Adds the entries of another ledger, such as one that was read from a file. The union of lists of names is kept.
    pub fn merge(&self, others: &BTreeMap<String, Entry>) {
        let mut entries = self.lock();
        for (name, other) in others {
            let Some(entry) = entries.get_mut(name) else {
                entries.insert(name.clone(), other.clone());
                continue;
            };
            let are_lists = entry.is_list() && other.is_list();
            for item in &other.items {
                if !entry.items.contains(item) {
                    entry.items.push(item.clone());
                }
            }
            if are_lists {
                entry.items.sort_unstable();
                entry.count = entry.items.len() as u64;
            } else {
                entry.count += other.count;
            }
        }
    }

    /// Replaces the names that entry `name` lists, in the given order. Does nothing if there is no such entry.
    pub fn set_items(&self, name: &str, items: Vec<String>) {
        if let Some(entry) = self.lock().get_mut(name) {
            entry.items = items;
        }
    }

    /// The count under `name`.
    pub fn count(&self, name: &str) -> u64 {
        self.lock().get(name).map_or(0, |entry| entry.count)
    }

    /// All entries, sorted by name.
    pub fn entries(&self) -> BTreeMap<String, Entry> {
        self.lock().clone()
    }

    /// Replaces all entries, for example when a run is resumed.
    pub fn restore(&self, entries: BTreeMap<String, Entry>) {
        *self.lock() = entries;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        // No count can be half written by a thread that panicked, so a poisoned lock can be used.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
