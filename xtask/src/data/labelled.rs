//! Writes texts with a label as JSON lines.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::split;

/// More labels than this are not printed one by one.
const PRINTED: usize = 4;

/// A text and its label. The fields are those of a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Labelled<'a> {
    pub(super) text: &'a str,
    pub(super) label: &'a str,
}

/// Writes the file `name` into the folder `into`, and prints how many texts of which label it has.
///
/// The order of the lines is that of the hashes of their texts: the sources are sorted by label, and the first lines of
/// a file should have all labels.
pub(super) fn write(into: &Path, name: &str, mut rows: Vec<Labelled<'_>>) -> Result<()> {
    ensure!(!rows.is_empty(), "there is no text for {name}: the source is not what it was");
    rows.sort_by_cached_key(|row| split::hash(row.text));
    let path = into.join(name);
    let file = File::create_new(&path);
    let mut file = BufWriter::new(file.with_context(|| format!("cannot make {}", path.display()))?);
    for row in &rows {
        serde_json::to_writer(&mut file, row)?;
        file.write_all(b"\n")?;
    }
    file.flush()?;
    eprintln!("{name}: {}", describe(&rows));
    Ok(())
}

/// The numbers of texts, as they are printed.
fn describe(rows: &[Labelled<'_>]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(row.label).or_default() += 1);
    let labels = if counts.len() <= PRINTED {
        let each = counts.iter().map(|(label, count)| format!("{count} {label}"));
        each.collect::<Vec<_>>().join(", ")
    } else {
        let (least, most) = (counts.values().min(), counts.values().max());
        format!(
            "{} labels with {} to {} texts",
            counts.len(),
            least.unwrap_or(&0),
            most.unwrap_or(&0)
        )
    };
    format!("{} texts ({labels})", rows.len())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn row<'a>(text: &'a str, label: &'a str) -> Labelled<'a> {
        Labelled { text, label }
    }

    #[test]
    fn the_order_of_the_rows_does_not_matter() {
        let mut rows = vec![row("a \"b\"", "x"), row("c", "x"), row("d", "y"), row("e", "y")];
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "one.jsonl", rows.clone()).unwrap();
        rows.reverse();
        write(dir.path(), "two.jsonl", rows).unwrap();
        let text = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(text("one.jsonl"), text("two.jsonl"));
        assert_eq!(text("one.jsonl").lines().count(), 4);
        let line = "{\"text\":\"a \\\"b\\\"\",\"label\":\"x\"}\n";
        assert!(text("one.jsonl").contains(line));
    }

    #[test]
    fn a_file_without_texts_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let error = write(dir.path(), "one.jsonl", Vec::new()).unwrap_err();
        assert!(error.to_string().contains("no text for one.jsonl"), "{error}");
    }

    #[test]
    fn few_labels_are_told_one_by_one() {
        let rows = [row("a", "x"), row("b", "y"), row("c", "x")];
        assert_eq!(describe(&rows), "3 texts (2 x, 1 y)");
        let labels = ["u", "v", "w", "x", "y", "y"];
        let rows: Vec<_> = labels.iter().map(|label| row("a", label)).collect();
        assert_eq!(describe(&rows), "6 texts (5 labels with 1 to 2 texts)");
    }
}
