//! Checks recipes with random changes. Each must resolve or be refused with its place, without a panic, and quickly.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use super::{resolve, unused};
use crate::recipe::Written;

/// Valid recipes with different sections.
const RECIPES: [&str; 5] = [
    include_str!("../../../../recipes/demo.toml"),
    include_str!("../../../../recipes/gpt.toml"),
    include_str!("../../../../recipes/bilingual.toml"),
    include_str!("../../../../recipes/mae.toml"),
    include_str!("../../../../recipes/clip.toml"),
];
/// The maximum time to check a recipe. Values that are too large must be refused before anything of that size is built.
const MAX_TIME: Duration = Duration::from_secs(5);

/// The replacements of values.
const VALUES: [&str; 32] = [
    "0",
    "-1",
    "1",
    "1000000000",
    "9223372036854775807",
    "-9223372036854775808",
    "99999999999999999999999",
    "1e308",
    "-1e308",
    "5e-324",
    "1e999",
    "nan",
    "inf",
    "0.5",
    "true",
    "\"\"",
    "\"1e300epoch\"",
    "\"9223372036854775807step\"",
    "\"1e18tok\"",
    "\"0step\"",
    "\"0.3run\"",
    "\"span\"",
    "\"moco\"",
    "\"gpt2\"",
    "\"\\u0000\\u001b[31m\"",
    "[]",
    "[[[[]]]]",
    "[1e308, 0.9]",
    "{}",
    "{ from = 0, duration = \"1step\" }",
    "1979-05-27",
    "'../../../etc/passwd'",
];

/// A change of a text. Numbers select a line or a position, modulo the length of the text.
#[derive(Debug, Clone)]
enum Change {
    /// Replaces the value of a line.
    Value(usize, usize),
    /// Removes a line.
    Drop(usize),
    /// Duplicates a line.
    Repeat(usize),
    /// Swaps two lines.
    Swap(usize, usize),
    /// Replaces a byte.
    Byte(usize, u8),
    /// Cuts the text off.
    Cut(usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let at = any::<usize>;
    let change = prop_oneof![
        6 => (at(), at()).prop_map(|(line, value)| Change::Value(line, value)),
        1 => at().prop_map(Change::Drop),
        1 => at().prop_map(Change::Repeat),
        1 => (at(), at()).prop_map(|(a, b)| Change::Swap(a, b)),
        1 => (at(), any::<u8>()).prop_map(|(place, byte)| Change::Byte(place, byte)),
        1 => at().prop_map(Change::Cut),
    ];
    prop::collection::vec(change, 1..6)
}

fn changed(recipe: &str, changes: &[Change]) -> String {
    // Tests run in the folder of the crate.
    let recipe = recipe.replace("\"corpora/", "\"../../corpora/");
    let mut lines: Vec<String> = recipe.lines().map(str::to_owned).collect();
    for change in changes {
        let count = lines.len().max(1);
        match *change {
            Change::Value(line, value) => {
                // Only lines with a value, not comments or sections.
                let with_value: Vec<usize> =
                    (0..lines.len()).filter(|i| lines[*i].contains(" = ")).collect();
                if let Some(at) = with_value.get(line % with_value.len().max(1)) {
                    let key = lines[*at].split(" = ").next().unwrap_or_default().to_owned();
                    lines[*at] = format!("{key} = {}", VALUES[value % VALUES.len()]);
                }
            }
            Change::Drop(line) if !lines.is_empty() => drop(lines.remove(line % count)),
            Change::Repeat(line) if !lines.is_empty() => {
                lines.insert(line % count, lines[line % count].clone());
            }
            Change::Swap(a, b) if !lines.is_empty() => lines.swap(a % count, b % count),
            Change::Byte(place, byte) => {
                let mut bytes = lines.join("\n").into_bytes();
                let length = bytes.len().max(1);
                if let Some(changed) = bytes.get_mut(place % length) {
                    *changed = byte;
                }
                lines = String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect();
            }
            Change::Cut(place) => {
                let text = lines.join("\n");
                let end = text.floor_char_boundary(place % text.len().max(1));
                lines = text[..end].lines().map(str::to_owned).collect();
            }
            _ => {}
        }
    }
    lines.join("\n")
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_recipes_resolve_or_are_refused_with_their_place(
        which in 0..RECIPES.len(),
        changes in changes(),
        set in prop::option::of((0..VALUES.len(), 0..SETS.len())),
    ) {
        let text = changed(RECIPES[which], &changes);
        let start = Instant::now();
        let written = Written::parse("r.toml", "r".into(), &text);
        if let Ok(mut written) = written {
            if let Some((value, key)) = set {
                let _ = written.set(&format!("{}={}", SETS[key], VALUES[value]));
            }
            match resolve(&written) {
                Err(error) => prop_assert!(!error.message.is_empty() && !error.place.is_empty()),
                Ok(config) => {
                    unused(&config, &written);
                    // A resolved configuration, written as a recipe, must resolve to itself.
                    let text = config.to_toml().unwrap();
                    let rewritten = Written::parse("again.toml", "r".into(), &text).unwrap();
                    let resolved: Value = resolve(&rewritten).unwrap().to_json().unwrap();
                    prop_assert_eq!(config.to_json().unwrap(), resolved);
                }
            }
        }
        prop_assert!(start.elapsed() < MAX_TIME, "{:?}", start.elapsed());
    }
}

/// Keys of `--set`.
const SETS: [&str; 8] = [
    "train.steps",
    "train.batch_size",
    "model.hidden_size",
    "objective.name",
    "train.batching",
    "tasks.a.data.paths",
    "model",
    "train.keep.by.metric",
];
