//! Reads and writes sentences whose words have tags of named entities, one word a line.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The tag of a word that is in no entity.
const OUTSIDE: &str = "O";

/// A sentence: its words, each with its tag.
pub(super) type Sentence = Vec<(String, String)>;

/// The entities of sentences.
#[derive(Debug, Default, PartialEq, Eq)]
struct Entities {
    /// How many there are of each type.
    counts: BTreeMap<String, usize>,
    /// How many of them do not begin with a tag that says so.
    odd: usize,
}

/// The words of a sentence, joined by spaces.
pub(super) fn text(sentence: &Sentence) -> String {
    sentence.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(" ")
}

/// Reads lines of a word and a tag, which `separator` separates. A line without either ends a sentence.
pub(super) fn parse(text: &str, separator: char) -> Result<Vec<Sentence>> {
    let (mut sentences, mut sentence) = (Vec::new(), Sentence::new());
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_matches([' ', '\t']).is_empty() {
            if !sentence.is_empty() {
                sentences.push(std::mem::take(&mut sentence));
            }
            continue;
        }
        let columns: Vec<_> = line.split(separator).collect();
        let [word, tag] = columns[..] else {
            anyhow::bail!("line {number} has {} columns instead of 2: {line:?}", columns.len());
        };
        let is_tag = tag == OUTSIDE
            || tag.split_once('-').is_some_and(|(letter, kind)| {
                matches!(letter, "B" | "I" | "M" | "E" | "S") && !kind.is_empty()
            });
        ensure!(!word.is_empty() && is_tag, "line {number} is no word with its tag: {line:?}");
        sentence.push((word.to_owned(), tag.to_owned()));
    }
    if !sentence.is_empty() {
        sentences.push(sentence);
    }
    Ok(sentences)
}

/// Writes the file `name` into the folder `into`: a word, a tab and its tag a line, a blank line after each sentence.
/// Prints how many sentences and entities it has.
pub(super) fn write(into: &Path, name: &str, sentences: &[&Sentence]) -> Result<()> {
    ensure!(
        !sentences.is_empty(),
        "there is no sentence for {name}: the source is not what it was"
    );
    let path = into.join(name);
    let file = File::create_new(&path);
    let mut file = BufWriter::new(file.with_context(|| format!("cannot make {}", path.display()))?);
    for sentence in sentences {
        for (word, tag) in *sentence {
            writeln!(file, "{word}\t{tag}")?;
        }
        writeln!(file)?;
    }
    file.flush()?;
    let entities = entities(sentences);
    let counts: Vec<_> =
        entities.counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    let words: usize = sentences.iter().map(|sentence| sentence.len()).sum();
    eprintln!("{name}: {} sentences, {words} words, {}", sentences.len(), counts.join(", "));
    if entities.odd > 0 {
        eprintln!("{name}: {} entities do not begin with B or S", entities.odd);
    }
    let distinct: HashSet<_> = sentences.iter().map(|sentence| text(sentence)).collect();
    if distinct.len() < sentences.len() {
        eprintln!("{name}: {} sentences repeat earlier ones", sentences.len() - distinct.len());
    }
    Ok(())
}

/// Counts the entities of tags in IOB2 or BMES.
///
/// An entity begins with B or S. It also begins with another letter where none of its type goes on, as in seqeval, so
/// that an entity that lacks its first tag counts.
fn entities(sentences: &[&Sentence]) -> Entities {
    let mut found = Entities::default();
    for sentence in sentences {
        // The type of the entity that goes on.
        let mut open: Option<&str> = None;
        for (_, tag) in *sentence {
            let Some((letter, kind)) = tag.split_once('-') else {
                open = None;
                continue;
            };
            let is_begin = matches!(letter, "B" | "S");
            if is_begin || open != Some(kind) {
                *found.counts.entry(kind.to_owned()).or_default() += 1;
                found.odd += usize::from(!is_begin);
            }
            open = (!matches!(letter, "E" | "S")).then_some(kind);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_is_read_is_written() {
        let text = "北 B-LOC\r\n京 E-LOC\r\n\r\n\r\n， O\r\n \r\n你 O\r\n";
        let sentences = parse(text, ' ').unwrap();
        assert_eq!(sentences.len(), 3);
        assert_eq!(super::text(&sentences[0]), "北 京");
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "x.conll", &sentences.iter().collect::<Vec<_>>()).unwrap();
        let written = fs::read_to_string(dir.path().join("x.conll")).unwrap();
        assert_eq!(written, "北\tB-LOC\n京\tE-LOC\n\n，\tO\n\n你\tO\n\n");
        assert_eq!(parse(&written, '\t').unwrap(), sentences);
        assert!(write(dir.path(), "y.conll", &[]).is_err());
    }

    #[test]
    fn a_line_that_is_no_word_with_its_tag_is_refused() {
        let refused = |text: &str, expected: &str| {
            let error = parse(text, '\t').unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        };
        refused("a\tO\nb\n", "line 2 has 1 columns");
        refused("a\tb\tO\n", "line 1 has 3 columns");
        refused("a\tO\n\tO\n", "line 2 is no word");
        refused("a\tX-PER\n", "line 1 is no word");
        refused("a\tB-\n", "line 1 is no word");
    }

    fn check(tags: &str, expected: &[(&str, usize)], odd: usize) {
        let sentence = tags.split(' ').map(|tag| ("a".to_owned(), tag.to_owned())).collect();
        let found = entities(&[&sentence]);
        let counts: Vec<_> =
            found.counts.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
        assert_eq!((&counts[..], found.odd), (expected, odd), "{tags}");
    }

    #[test]
    fn entities_are_counted_by_type() {
        check("O O", &[], 0);
        check("B-geo-loc I-geo-loc O B-geo-loc B-geo-loc", &[("geo-loc", 3)], 0);
        check("B-PER M-PER E-PER S-PER B-LOC E-LOC", &[("LOC", 1), ("PER", 2)], 0);
        check("O M-PER E-PER O E-PER", &[("PER", 2)], 2);
        check("B-PER E-PER E-PER", &[("PER", 2)], 1);
        check("B-PER I-LOC", &[("LOC", 1), ("PER", 1)], 1);
    }
}
