//! Finds the entities of a sentence from the tags of its words.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::sentence::Word;
use crate::entities::{EntityError, EntityScheme, detect, is_legal, read_lenient};

/// The tag of a word that is in no entity, and what CoNLL-U has where there is no value.
const OUTSIDE: &str = "O";
const NOTHING: &str = "_";
/// The label of entities whose tags name no type (`B`, `I`), as in seqeval.
const NO_TYPE: &str = "_";
/// The letters of all schemes.
const LETTERS: [char; 8] = ['B', 'I', 'E', 'S', 'M', 'L', 'U', 'W'];

/// What the tags of words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum TagScheme {
    /// Tags with a letter and the type of the entity, such as `B-PER`. In IO the letter may be missing everywhere: then
    /// words side by side with the same tag are one entity.
    Entities(EntityScheme),
    /// Each word is an entity of its own and the tag is its label, as for parts of speech. It is called `words`.
    Words,
}

impl fmt::Display for TagScheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entities(scheme) => scheme.fmt(f),
            Self::Words => f.write_str("words"),
        }
    }
}

impl FromStr for TagScheme {
    type Err = EntityError;

    fn from_str(name: &str) -> Result<Self, EntityError> {
        match name.eq_ignore_ascii_case("words") {
            true => Ok(Self::Words),
            false => name.parse().map(Self::Entities),
        }
    }
}

impl TryFrom<String> for TagScheme {
    type Error = EntityError;

    fn try_from(name: String) -> Result<Self, EntityError> {
        name.parse()
    }
}

impl From<TagScheme> for String {
    fn from(scheme: TagScheme) -> Self {
        scheme.to_string()
    }
}

/// An entity of a sentence: its words, and its type.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entity {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) label: String,
}

/// The entities of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) entities: Vec<Entity>,
    /// Whether the tags do not follow the scheme.
    pub(super) is_repaired: bool,
}

/// A tag that cannot be read, and its line.
#[derive(Debug)]
pub(super) struct BadTag {
    pub(super) line: u64,
    pub(super) reason: String,
}

/// Reads the entities of sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TagReader {
    /// Tags of a scheme. Where it was found and not given, single tags of other schemes are repaired.
    Scheme { scheme: EntityScheme, is_given: bool },
    /// Tags that are types alone.
    Types,
    /// A tag for each word.
    Words,
}

impl TagReader {
    /// A reader by the `given` scheme, or by the one that the tags of the first sentences follow best.
    pub(super) fn new(given: Option<TagScheme>, sentences: &[Vec<&str>]) -> Result<Self, String> {
        let is_given = match given {
            Some(TagScheme::Words) => return Ok(Self::Words),
            Some(TagScheme::Entities(scheme)) if scheme != EntityScheme::Io => {
                return Ok(Self::Scheme { scheme, is_given: true });
            }
            given => given.is_some(),
        };
        let normal = |tags: &Vec<&str>| -> Vec<String> {
            tags.iter().map(|tag| normal(tag).into_owned()).collect()
        };
        let sentences: Vec<Vec<String>> = sentences.iter().map(normal).collect();
        let mut tags = sentences.iter().flatten().filter(|tag| *tag != OUTSIDE).peekable();
        let first = tags.peek().map(|tag| (*tag).clone());
        if let Some(first) = first
            && tags.clone().all(|tag| read_lenient(&[tag]).is_err())
        {
            if tags.all(|tag| ends_with_letter(tag)) {
                return Err(format!(
                    "the tags end with the letter of a scheme, such as `{first}`: write the letter first, such as B-PER"
                ));
            }
            return Ok(Self::Types);
        }
        if is_given {
            return Ok(Self::Scheme { scheme: EntityScheme::Io, is_given });
        }
        // A sentence with a tag of no scheme is an error when it is its turn.
        let readable: Vec<Vec<String>> =
            sentences.into_iter().filter(|tags| read_lenient(tags).is_ok()).collect();
        let scheme = detect(&readable).map_err(|error| error.to_string())?.scheme;
        Ok(Self::Scheme { scheme, is_given })
    }

    /// The name of the scheme, for the ledger.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Scheme { scheme, .. } => scheme.name(),
            Self::Types => "types without a letter",
            Self::Words => "words",
        }
    }

    /// The entities of a sentence.
    pub(super) fn entities(self, words: &[Word]) -> Result<Found, BadTag> {
        let entity =
            |start: usize, end: usize, label: &str| Entity { start, end, label: label.to_owned() };
        let mut entities = Vec::new();
        let (scheme, is_given) = match self {
            Self::Scheme { scheme, is_given } => (scheme, is_given),
            Self::Types | Self::Words => {
                for (at, word) in words.iter().enumerate() {
                    let tag = word.tag.as_str();
                    let is_outside = tag == NOTHING || (tag == OUTSIDE && self == Self::Types);
                    match entities.last_mut() {
                        _ if is_outside => {}
                        Some(Entity { end, label, .. })
                            if self == Self::Types && *end == at && label == tag =>
                        {
                            *end = at + 1;
                        }
                        _ => entities.push(entity(at, at + 1, tag)),
                    }
                }
                return Ok(Found { entities, is_repaired: false });
            }
        };
        let tags: Vec<Cow<'_, str>> = words.iter().map(|word| normal(&word.tag)).collect();
        let bad = |error: EntityError| {
            let (EntityError::BadLabel(label) | EntityError::OtherScheme { label, .. }) = &error
            else {
                return BadTag {
                    line: words.first().map_or(0, |word| word.line),
                    reason: error.to_string(),
                };
            };
            let at = tags.iter().position(|tag| tag == label).unwrap_or(0);
            BadTag { line: words[at].line, reason: error.to_string() }
        };
        for found in read_lenient(&tags).map_err(bad)? {
            let label = if found.label.is_empty() { NO_TYPE } else { found.label };
            entities.push(entity(found.start, found.end, label));
        }
        let is_repaired = match is_legal(&tags, scheme) {
            Ok(is_legal) => !is_legal,
            Err(error) if is_given => return Err(bad(error)),
            Err(_) => true,
        };
        Ok(Found { entities, is_repaired })
    }
}

/// A tag with a hyphen after its letter where the file has an underscore (`B_PER`), and `O` for no value.
fn normal(tag: &str) -> Cow<'_, str> {
    let mut characters = tag.chars();
    match (characters.next(), characters.next()) {
        (Some('_'), None) => Cow::Borrowed(OUTSIDE),
        (Some(letter), Some('_')) if LETTERS.contains(&letter) && tag.len() > 2 => {
            Cow::Owned(tag.replacen('_', "-", 1))
        }
        _ => Cow::Borrowed(tag),
    }
}

fn ends_with_letter(tag: &str) -> bool {
    let mut characters = tag.chars().rev();
    let letter = characters.next().is_some_and(|c| LETTERS.contains(&c));
    letter && matches!(characters.next(), Some('-' | '_')) && characters.next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The entities of a sentence by the scheme that is found from it, or by the given one.
    fn check(
        given: Option<&str>,
        tags: &str,
        name: &str,
        expected: &[(usize, usize, &str)],
        is_repaired: bool,
    ) {
        let tags: Vec<&str> = tags.split(' ').collect();
        let given = given.map(|name| name.parse().unwrap());
        let reader = TagReader::new(given, std::slice::from_ref(&tags)).unwrap();
        assert_eq!(reader.name(), name, "{tags:?}");
        let word =
            |tag: &&str| Word { line: 1, form: "a".into(), tag: (*tag).into(), is_joined: false };
        let found = reader.entities(&tags.iter().map(word).collect::<Vec<_>>()).unwrap();
        let entities: Vec<_> = found
            .entities
            .iter()
            .map(|entity| (entity.start, entity.end, &*entity.label))
            .collect();
        assert_eq!((&entities[..], found.is_repaired), (expected, is_repaired), "{tags:?}");
    }

    #[test]
    fn every_scheme_is_found_and_read() {
        let both = [(0, 2, "PER"), (3, 4, "LOC")];
        check(None, "B-PER I-PER O B-LOC", "IOB2", &both, false);
        check(None, "I-PER I-PER O I-LOC", "IOB1", &both, false);
        check(
            None,
            "I-PER B-PER O I-LOC",
            "IOB1",
            &[(0, 1, "PER"), (1, 2, "PER"), (3, 4, "LOC")],
            false,
        );
        check(None, "B-PER E-PER O S-LOC", "BIOES", &both, false);
        check(None, "B-PER M-PER E-PER S-LOC", "BMES", &[(0, 3, "PER"), (3, 4, "LOC")], false);
        check(None, "B-PER M-PER E-PER W-LOC", "BMEWO", &[(0, 3, "PER"), (3, 4, "LOC")], false);
        check(None, "B-PER L-PER O U-LOC", "BILOU", &both, false);
        check(None, "PER PER O LOC", "types without a letter", &both, false);
        check(
            None,
            "art-music art-music O building",
            "types without a letter",
            &[(0, 2, "art-music"), (3, 4, "building")],
            false,
        );
        check(None, "B_ns I_ns O B_nr", "IOB2", &[(0, 2, "ns"), (3, 4, "nr")], false);
        check(None, "B I O B", "IOB2", &[(0, 2, "_"), (3, 4, "_")], false);
        check(None, "O O", "IOB2", &[], false);
        check(Some("IO"), "I-PER I-PER O I-LOC", "IO", &both, false);
        check(Some("io"), "PER PER O LOC", "types without a letter", &both, false);
        check(
            Some("words"),
            "DET NOUN NOUN _",
            "words",
            &[(0, 1, "DET"), (1, 2, "NOUN"), (2, 3, "NOUN")],
            false,
        );
    }

    #[test]
    fn odd_sequences_are_repaired_and_told() {
        check(
            Some("bio"),
            "O I-PER I-LOC B-LOC",
            "IOB2",
            &[(1, 2, "PER"), (2, 3, "LOC"), (3, 4, "LOC")],
            true,
        );
        check(
            Some("BIOES"),
            "B-PER O I-LOC S-PER",
            "BIOES",
            &[(0, 1, "PER"), (2, 3, "LOC"), (3, 4, "PER")],
            true,
        );
        // Most tags are of IOB2, and one is of BIOES.
        let mut sentences = vec![vec!["B-PER", "I-PER"]; 3];
        sentences.push(vec!["B-PER", "E-PER"]);
        let reader = TagReader::new(None, &sentences).unwrap();
        assert_eq!(reader.name(), "IOB2");
    }

    #[test]
    fn tags_of_no_scheme_are_refused() {
        let refused = |given: Option<&str>, tags: &[&str]| {
            let given = given.map(|name| name.parse().unwrap());
            let reader = TagReader::new(given, &[tags.to_vec()])?;
            let word = |(line, tag): (usize, &&str)| Word {
                line: line as u64 + 1,
                form: "a".into(),
                tag: (*tag).into(),
                is_joined: false,
            };
            let words: Vec<Word> = tags.iter().enumerate().map(word).collect();
            reader
                .entities(&words)
                .map(|_| ())
                .map_err(|bad| format!("{}: {}", bad.line, bad.reason))
        };
        assert!(
            refused(None, &["B-PER", "LOC"]).unwrap_err().starts_with("2: `LOC` is not the label")
        );
        let other = refused(Some("iob2"), &["B-PER", "E-PER"]).unwrap_err();
        assert!(other.starts_with("2: the label `E-PER` is not one of IOB2"), "{other}");
        assert!(refused(None, &["LOC-B", "O", "LOC-I"]).unwrap_err().contains("such as `LOC-B`"));
        assert_eq!(refused(None, &["LOC", "O", "LOC-I"]), Ok(()));
        assert!("iob3".parse::<TagScheme>().is_err());
    }

    #[test]
    fn schemes_are_written_by_name() {
        let written =
            serde_json::to_string(&[TagScheme::Entities(EntityScheme::Bmes), TagScheme::Words]);
        assert_eq!(written.unwrap(), "[\"BMES\",\"words\"]");
        let read: Vec<TagScheme> = serde_json::from_str("[\"bio\", \"Words\"]").unwrap();
        assert_eq!(read, [TagScheme::Entities(EntityScheme::Iob2), TagScheme::Words]);
        assert!(serde_json::from_str::<TagScheme>("\"x\"").is_err());
    }
}
