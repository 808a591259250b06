//! `verses`: the verses of the bundled King James Bible, each with the part of the book that it is from.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flate2::read::GzDecoder;

use super::labelled::{self, Labelled};
use super::split::Split;
use crate::registry::{Entry, Maker, Making, Origin, Source};

const BOOK: &str = "corpora/kjv.txt.gz";

/// One verse of so many is for tests, and as many for validation.
const PARTS: u64 = 10;

/// The parts of the book in its order, with the number of their chapters.
const CHAPTERS: [(&str, usize); 6] = [
    // Genesis to Deuteronomy.
    ("law", 187),
    // Joshua to Esther.
    ("history", 249),
    // Job to the Song of Solomon.
    ("poetry", 243),
    // Isaiah to Malachi.
    ("prophets", 250),
    // Matthew to Acts.
    ("gospels", 117),
    // Romans to Revelation.
    ("letters", 143),
];

/// The entry in the table of data sets.
pub(super) const ENTRY: Entry = Entry {
    name: "verses",
    about: "English: the verses of the bundled Bible, and the part of the book that each is from",
    license: "public domain",
    warning: None,
    origin: Origin::Made {
        source: Source::Bundled(BOOK),
        megabytes: 4.5,
        maker: Maker { version: 1, make },
    },
};

fn make(making: &Making<'_>) -> Result<()> {
    let book = read(&making.root.join(BOOK))?;
    let verses = label(&book)?;
    for split in Split::ALL {
        let rows = verses.iter().filter(|row| Split::of(row.text, PARTS) == split);
        labelled::write(making.into, &format!("{}.jsonl", split.name()), rows.cloned().collect())?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text)?;
    Ok(text)
}

/// The verses of `book`, one a line, with a blank line between chapters.
fn label(book: &str) -> Result<Vec<Labelled<'_>>> {
    let mut names = CHAPTERS.iter().flat_map(|(name, count)| std::iter::repeat_n(*name, *count));
    let mut rows = Vec::new();
    for chapter in book.trim_end().split("\n\n") {
        let label = names.next().context("the book has more chapters than its parts")?;
        rows.extend(chapter.lines().map(|text| Labelled { text, label }));
    }
    ensure!(names.next().is_none(), "the book has fewer chapters than its parts");
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_begin_and_end_where_their_books_do() {
        let book = read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(BOOK)).unwrap();
        let rows = label(&book).unwrap();
        assert_eq!(rows.len(), 31_102);
        let first = |name: &str| rows.iter().find(|row| row.label == name).unwrap().text;
        for (name, begin) in [
            ("law", "In the beginning God created the heaven and the earth."),
            ("history", "Now after the death of Moses the servant of the LORD"),
            ("poetry", "There was a man in the land of Uz, whose name was Job;"),
            ("prophets", "The vision of Isaiah the son of Amoz"),
            ("gospels", "The book of the generation of Jesus Christ"),
            ("letters", "Paul, a servant of Jesus Christ, called to be an apostle"),
        ] {
            assert!(first(name).starts_with(begin), "{name}: {}", first(name));
        }
        assert!(label("one verse\n\nanother").is_err());
    }
}
