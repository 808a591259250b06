//! The ledger: everything dropped, truncated, skipped or left unused, counted by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::example::Key;
use crate::unused::Unused;

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// How often it happened.
    pub count: u64,
    /// The first place it happened, as `file:line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The names of the things counted, each once, where they are few enough to list: what [`Unused`]
    /// holds, sorted, or the commonest characters that a tokenizer does not know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
}

impl Entry {
    /// Whether it counts the names that it lists, and nothing else.
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

    /// Adds `count` to `name`; `place` is kept if it is the first. Zero adds nothing.
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

    /// Lists `items` under `name`, each once, and counts them. No items add nothing.
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

    /// Adds the entries of another ledger, such as one that was kept in a file. Lists of names are united.
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

    /// Lists `items` under `name`, in the given order, where something is counted there.
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

    /// Replaces the counts, as when a run is resumed.
    pub fn restore(&self, entries: BTreeMap<String, Entry>) {
        *self.lock() = entries;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        // A panic elsewhere cannot leave a half-made count behind, so a poisoned lock is still good.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
