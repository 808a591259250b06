//! Writes pairs of texts as JSON lines for training and for tests; the two parts share no text.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};

/// The two texts of a pair.
pub(super) type Pair = [String; 2];

/// The part that a pair belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Test,
}

/// Collected pairs, and the number of pairs left out by reason.
#[derive(Default)]
pub(super) struct Pairs {
    train: Vec<Pair>,
    test: Vec<Pair>,
    seen: HashSet<Pair>,
    left_out: BTreeMap<&'static str, usize>,
}

impl Pairs {
    /// Adds a pair, unless its texts are equal or the pair was added before.
    pub(super) fn add(&mut self, part: Part, pair: Pair) {
        if pair[0] == pair[1] {
            self.leave_out("with the same text twice", 1);
        } else if !self.seen.insert(pair.clone()) {
            self.leave_out("that were there before", 1);
        } else {
            match part {
                Part::Train => self.train.push(pair),
                Part::Test => self.test.push(pair),
            }
        }
    }

    /// Counts pairs that are left out. `reason` continues the sentence "left out 3 pairs".
    pub(super) fn leave_out(&mut self, reason: &'static str, count: usize) {
        if count > 0 {
            *self.left_out.entry(reason).or_default() += count;
        }
    }

    /// Removes test pairs of which a text also occurs in a training pair.
    fn separate(&mut self) {
        let known: HashSet<&str> = self.train.iter().flatten().map(String::as_str).collect();
        let before = self.test.len();
        self.test.retain(|pair| !pair.iter().any(|text| known.contains(text.as_str())));
        let count = before - self.test.len();
        self.leave_out("for tests, as one of their texts is in training", count);
    }

    /// Writes `train.jsonl` and `test.jsonl` into the folder `into`, with the texts under the names `fields`. Prints
    /// how many pairs there are and how many were left out.
    pub(super) fn write(mut self, into: &Path, fields: [&str; 2]) -> Result<()> {
        self.separate();
        for (reason, count) in &self.left_out {
            eprintln!("left out {count} pairs {reason}");
        }
        for (name, pairs) in [("train.jsonl", &self.train), ("test.jsonl", &self.test)] {
            if pairs.is_empty() {
                bail!("there is no pair for {name}: the source is not what it was");
            }
            eprintln!("{name}: {} pairs", pairs.len());
            let path = into.join(name);
            let file = File::create_new(&path);
            let file = file.with_context(|| format!("cannot make {}", path.display()))?;
            let mut file = BufWriter::new(file);
            for pair in pairs {
                let texts = fields.iter().zip(pair);
                let line: Map<String, Value> =
                    texts.map(|(field, text)| (field.to_string(), text.as_str().into())).collect();
                serde_json::to_writer(&mut file, &line)?;
                file.write_all(b"\n")?;
            }
            file.flush()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn pair(one: &str, other: &str) -> Pair {
        [one.to_owned(), other.to_owned()]
    }

    #[test]
    fn tests_share_no_text_with_training() {
        let mut pairs = Pairs::default();
        pairs.add(Part::Test, pair("a", "A"));
        pairs.add(Part::Train, pair("a", "B"));
        pairs.add(Part::Test, pair("C", "B"));
        pairs.add(Part::Test, pair("d", "D"));
        pairs.add(Part::Train, pair("e", "e"));
        pairs.add(Part::Train, pair("a", "B"));
        let dir = tempfile::tempdir().unwrap();
        pairs.separate();
        assert_eq!(pairs.left_out.values().copied().collect::<Vec<_>>(), [2, 1, 1]);
        pairs.write(dir.path(), ["x", "y"]).unwrap();
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text("train.jsonl"), "{\"x\":\"a\",\"y\":\"B\"}\n");
        assert_eq!(text("test.jsonl"), "{\"x\":\"d\",\"y\":\"D\"}\n");
    }

    #[test]
    fn nothing_is_an_error() {
        let mut pairs = Pairs::default();
        pairs.add(Part::Train, pair("a", "A"));
        pairs.add(Part::Test, pair("a", "B"));
        let dir = tempfile::tempdir().unwrap();
        let error = pairs.write(dir.path(), ["x", "y"]).unwrap_err();
        assert!(error.to_string().contains("no pair for test.jsonl"), "{error}");
    }
}
