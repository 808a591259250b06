//! Reads WordNet: `data.noun` and similar files list the sets of synonyms; `index.noun` and similar files list the
//! sets of each word, the most common first. The manual pages wndb(5) and wninput(5) of WordNet describe the formats.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::{Thesaurus, ThesaurusError, lines};
use crate::read::require_readable;

/// The parts of speech, in the order of the meanings of a word.
const PARTS: [&str; 4] = ["noun", "verb", "adj", "adv"];

/// Reads a folder into `thesaurus`.
///
/// # Errors
/// If one of its eight files is missing or damaged.
pub(super) fn read(folder: &Path, thesaurus: &mut Thesaurus) -> Result<(), ThesaurusError> {
    for part in PARTS {
        let sets = read_data(folder.join(format!("data.{part}")), thesaurus)?;
        read_index(folder.join(format!("index.{part}")), &sets, thesaurus)?;
    }
    Ok(())
}

/// The index in `thesaurus` of each set, by the offset of the set.
fn read_data(
    path: PathBuf,
    thesaurus: &mut Thesaurus,
) -> Result<HashMap<String, Option<u32>>, ThesaurusError> {
    let bytes = open(&path)?;
    let mut sets = HashMap::new();
    for (number, line) in entries(&path, &bytes) {
        // The fields are offset, file, kind, number of words in hexadecimal, and then each word with an identifier.
        let line = line?;
        let mut fields = line.split(' ');
        let offset = fields.next();
        let count = fields.nth(2).and_then(|count| usize::from_str_radix(count, 16).ok());
        let (Some(offset), Some(count)) = (offset, count) else {
            return Err(malformed(&path, number));
        };
        // The position of an adjective, as in `galore(ip)`, is not part of the word.
        let plain = |word: &'_ str| word.split('(').next().unwrap_or_default().to_owned();
        let words: Vec<String> = fields.step_by(2).take(count).map(plain).collect();
        if words.len() != count {
            return Err(malformed(&path, number));
        }
        // The meanings of an adjective are close to each other, so one without a synonym is skipped.
        let alone = count == 1 && path.ends_with("data.adj");
        let group = (!alone).then(|| thesaurus.add_group(words.iter().map(String::as_str)));
        sets.insert(offset.to_owned(), group);
    }
    Ok(sets)
}

fn read_index(
    path: PathBuf,
    sets: &HashMap<String, Option<u32>>,
    thesaurus: &mut Thesaurus,
) -> Result<(), ThesaurusError> {
    let bytes = open(&path)?;
    for (number, line) in entries(&path, &bytes) {
        // The fields are word, part of speech, number of sets, further fields, and at the end the offset of each set.
        let line = line?;
        let fields: Vec<&str> = line.split_whitespace().collect();
        let count = fields.get(2).and_then(|count| count.parse::<usize>().ok());
        let offsets = count.and_then(|count| fields.len().checked_sub(count));
        let Some(offsets) = offsets.and_then(|start| fields.get(start..)) else {
            return Err(malformed(&path, number));
        };
        for offset in offsets {
            match sets.get(*offset) {
                Some(Some(group)) => thesaurus.add_sense(fields[0], *group),
                Some(None) => {}
                None => return Err(malformed(&path, number)),
            }
        }
    }
    Ok(())
}

fn open(path: &Path) -> Result<Vec<u8>, ThesaurusError> {
    let bytes = require_readable(path).and_then(|()| std::fs::read(path));
    bytes.map_err(|source| ThesaurusError::Io { path: path.to_owned(), source })
}

/// The lines after the licence, whose lines begin with spaces.
fn entries<'a>(
    path: &'a Path,
    bytes: &'a [u8],
) -> impl Iterator<Item = (usize, Result<&'a str, ThesaurusError>)> {
    let is_entry = |line: &str| !line.is_empty() && !line.starts_with(' ');
    lines(path, bytes).filter_map(move |line| match line {
        Ok((number, line)) => is_entry(line).then_some((number, Ok(line))),
        Err(error) => Some((0, Err(error))),
    })
}

fn malformed(path: &Path, line: usize) -> ThesaurusError {
    let reason = "is not an entry of WordNet: fetch or unpack the file again".to_owned();
    ThesaurusError::Malformed { path: path.to_owned(), line, reason }
}
