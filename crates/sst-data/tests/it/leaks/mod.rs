//! Leaks: cases with known counts, a golden, whole books, and every text compared with every passage.

mod books;
mod brute_force;
mod cases;
mod golden;

use sst_data::Key;
use sst_data::leaks::{LeakConfig, LeakSearch, Leaks};

/// `texts` with places, numbered from 1.
fn at<T: AsRef<str>>(file: &str, texts: &[T]) -> Vec<(Key, String)> {
    let numbered = (1..).zip(texts);
    numbered.map(|(line, text)| (Key::new(file, line), text.as_ref().to_owned())).collect()
}

/// Searches `tests` in `references`.
fn search<T: AsRef<str>, R: AsRef<str>>(
    config: &LeakConfig,
    tests: &[T],
    references: &[R],
) -> Leaks {
    let mut search = LeakSearch::new(config.clone(), at("test", tests)).unwrap();
    for (key, text) in at("reference", references) {
        search.add(key, text);
    }
    search.finish()
}

/// All counts of `leaks` by name, as they are serialized.
fn counts(leaks: &Leaks) -> serde_json::Map<String, serde_json::Value> {
    let serde_json::Value::Object(mut counts) = serde_json::to_value(leaks).unwrap() else {
        panic!("{leaks:?}");
    };
    counts.retain(|_, value| value.is_u64());
    counts
}
