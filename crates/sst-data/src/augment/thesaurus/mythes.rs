//! Reads MyThes: a line with the encoding, then for each word a line `word|n` and `n` lines `(pos)|synonym|other (a
//! note)`.

use std::borrow::Cow;
use std::path::Path;

use super::{Thesaurus, ThesaurusError, lines};

/// The notes after words that are not synonyms.
const OTHERS: [&str; 3] = ["(generic term)", "(related term)", "(antonym)"];

/// The note after words of similar meaning, which can replace an adjective in few sentences.
const SIMILAR: &str = "(similar term)";

/// Whether the second line begins an entry.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let encoding = lines.next().unwrap_or_default();
    let head = String::from_utf8_lossy(lines.next().unwrap_or_default());
    encoding.is_ascii() && parse_head(head.trim_end_matches('\r')).is_some()
}

/// Reads a file into `thesaurus`.
///
/// # Errors
/// If the encoding is unknown, or an entry does not have the number of meanings that it states.
pub(super) fn read(
    path: &Path,
    bytes: &[u8],
    thesaurus: &mut Thesaurus,
) -> Result<(), ThesaurusError> {
    let first = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let encoding = String::from_utf8_lossy(first).trim().to_owned();
    let text = match encoding.to_ascii_uppercase().as_str() {
        "UTF-8" | "UTF8" | "US-ASCII" | "ASCII" => Cow::Borrowed(bytes),
        // Latin-1 is the first 256 characters of Unicode.
        "ISO8859-1" | "ISO-8859-1" => {
            Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes())
        }
        _ => return Err(ThesaurusError::Encoding { path: path.to_owned(), encoding }),
    };
    let mut lines = lines(path, &text).skip(1);
    while let Some(line) = lines.next() {
        let (number, line) = line?;
        if line.is_empty() {
            continue;
        }
        let malformed = |reason: String| ThesaurusError::Malformed {
            path: path.to_owned(),
            line: number,
            reason,
        };
        let Some((head, count)) = parse_head(line) else {
            return Err(malformed(format!("`{line}` is not `word|number of meanings`")));
        };
        let head = head.to_lowercase();
        // Similar words become further meanings, after the others. Otherwise "old" could be replaced by "gaga". The
        // meanings of an adjective are close to each other, so one that has only similar words is skipped. The
        // meanings of a noun are not, so one without a synonym counts.
        let mut similar = Vec::new();
        for _ in 0..count {
            let meaning = match lines.next() {
                Some(meaning) => meaning?.1,
                None => "",
            };
            let Some((_, words)) = meaning.split_once('|').filter(|(pos, _)| is_pos(pos)) else {
                return Err(malformed(format!("`{head}` has fewer meanings than {count}")));
            };
            let words = words.split('|').map(str::trim);
            let words = words.filter(|word| !OTHERS.iter().any(|note| word.ends_with(note)));
            let (near, same): (Vec<&str>, Vec<&str>) =
                words.partition(|word| word.ends_with(SIMILAR));
            if near.is_empty() || !same.is_empty() {
                add(thesaurus, &head, &same);
            }
            similar.push(near);
        }
        similar.retain(|words| !words.is_empty());
        similar.iter().for_each(|words| add(thesaurus, &head, words));
    }
    Ok(())
}

/// Adds a meaning of `head`.
fn add(thesaurus: &mut Thesaurus, head: &str, words: &[&str]) {
    let group = thesaurus.add_group(words.iter().map(|word| plain(word)));
    thesaurus.add_sense(head, group);
}

fn parse_head(line: &str) -> Option<(&str, usize)> {
    let (head, count) = line.rsplit_once('|')?;
    let count = count.trim().parse().ok()?;
    (!head.is_empty() && !is_pos(head)).then_some((head, count))
}

/// Whether `text` is a part of speech such as `(noun)`, or `-` in files without them.
fn is_pos(text: &str) -> bool {
    text == "-" || (text.starts_with('(') && text.ends_with(')'))
}

/// The word without its note.
fn plain(word: &str) -> &str {
    let noted = word.strip_suffix(')').and_then(|word| word.rsplit_once(" ("));
    noted.map_or(word, |(word, _)| word.trim())
}
