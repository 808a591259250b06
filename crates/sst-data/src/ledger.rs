//! The ledger: everything dropped, truncated, skipped or left unused, counted by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::example::Key;

/// One line of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// How often it happened.
    pub count: u64,
    /// The first place it happened, as `file:line`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
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
                let entry = Entry { count, first: place.map(Key::to_string) };
                entries.insert(name.to_owned(), entry);
            }
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
