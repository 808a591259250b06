//! Collects what a reader, a loader or a converter finds in a file and does not use.
//!
//! A configuration key that is silently ignored can change every number of a run. Code that reads a file therefore
//! keeps two lists: the names that it uses, and the names that are known to have no effect, each with the reason. All
//! other names go into an [`Unused`], which reaches the user through
//! [`Ledger::add_unused`](crate::Ledger::add_unused).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// The kind of thing that was not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnusedKind {
    /// A key of a JSON configuration, or of the metadata of a GGUF file.
    ConfigKey,
    /// A file of a model folder or a data folder.
    File,
    /// A tensor of a weight file.
    Tensor,
    /// A column of a table, or a field of a record.
    Column,
    /// An option that has no effect together with the others.
    Flag,
}

impl UnusedKind {
    /// The name of the kind in the ledger.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigKey => "unused.config_keys",
            Self::File => "unused.files",
            Self::Tensor => "unused.tensors",
            Self::Column => "unused.columns",
            Self::Flag => "unused.flags",
        }
    }
}

/// The names of unused things by kind, sorted and without duplicates.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unused {
    items: BTreeMap<UnusedKind, BTreeSet<String>>,
}

/// A name that is known to have no effect, with the reason: `("architectures", "names the class that ...")`.
pub type Harmless = (&'static str, &'static str);

impl Unused {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `item`, such as `config.json: attention_bias`.
    pub fn add(&mut self, kind: UnusedKind, item: impl Into<String>) {
        self.items.entry(kind).or_default().insert(item.into());
    }

    /// Adds the keys of `object` that are neither in `used` nor in `harmless`. `file` is the name of the object in
    /// messages.
    pub fn add_keys<'a>(
        &mut self,
        file: &str,
        object: &Value,
        used: impl IntoIterator<Item = &'a str>,
        harmless: &[Harmless],
    ) {
        let used: BTreeSet<&str> = used.into_iter().collect();
        for key in object.as_object().into_iter().flat_map(serde_json::Map::keys) {
            let known = used.contains(key.as_str()) || harmless.iter().any(|(name, _)| name == key);
            if !known {
                self.add(UnusedKind::ConfigKey, format!("{file}: {key}"));
            }
        }
    }

    /// Adds everything in `other`.
    pub fn extend(&mut self, other: Self) {
        for (kind, items) in other.items {
            self.items.entry(kind).or_default().extend(items);
        }
    }

    /// A copy without `item`.
    #[must_use]
    pub fn without(&self, item: &str) -> Self {
        let mut items = self.items.clone();
        items.values_mut().for_each(|of_kind| _ = of_kind.remove(item));
        items.retain(|_, of_kind| !of_kind.is_empty());
        Self { items }
    }

    /// Whether everything was used.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// The items of `kind`, sorted.
    pub fn of(&self, kind: UnusedKind) -> impl Iterator<Item = &str> {
        self.items.get(&kind).into_iter().flatten().map(String::as_str)
    }

    /// Every kind that has items, with its items.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (UnusedKind, &BTreeSet<String>)> {
        self.items.iter().map(|(kind, items)| (*kind, items))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Ledger;

    #[test]
    fn keys_that_nobody_knows_are_listed_and_others_are_not() {
        let config = json!({"hidden_size": 4, "attention_sinks": 2, "_name_or_path": "x"});
        let mut unused = Unused::new();
        let harmless: &[Harmless] = &[("_name_or_path", "says where the folder came from")];
        unused.add_keys("config.json", &config, ["hidden_size"], harmless);
        let keys: Vec<&str> = unused.of(UnusedKind::ConfigKey).collect();
        assert_eq!(keys, ["config.json: attention_sinks"]);
    }

    #[test]
    fn the_ledger_lists_each_item_once() {
        let mut unused = Unused::new();
        unused.add(UnusedKind::Tensor, "b");
        unused.add(UnusedKind::Tensor, "a");
        let ledger = Ledger::new();
        ledger.add_unused(&unused);
        ledger.add_unused(&unused);
        let entries = ledger.entries();
        let entry = &entries["unused.tensors"];
        assert_eq!((entry.count, &entry.items[..]), (2, &["a".to_owned(), "b".to_owned()][..]));
        let kept: std::collections::BTreeMap<String, crate::ledger::Entry> =
            serde_json::from_str(&serde_json::to_string(&entries).unwrap()).unwrap();
        assert_eq!(kept, entries);
    }
}
