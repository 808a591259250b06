//! Decodes the token ids of a row to the text that words are found in.

use std::ops::Range;

use serde_json::Value;

use super::Tokenizer;
use crate::words::is_cjk;

/// How the vocabulary marks the start or end of words, and which bytes a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    /// A token with this prefix continues the word before it; any other token begins a word (WordPiece).
    Prefix(String),
    /// A token with this suffix ends a word, and the next token begins one.
    Suffix(String),
    /// Each character stands for a byte, as in GPT-2. A non-empty suffix ends a word, as in CLIP.
    Bytes(String),
    /// This character stands for a space, and `<0x0A>` for a byte (SentencePiece).
    Mark(char),
    /// Each token is a word.
    Plain,
}

/// The text of one token.
#[derive(Debug, Clone, Default)]
struct Piece {
    /// The range of its bytes in `Spellings::bytes`.
    bytes: Range<usize>,
    /// Whether a space stands before the token. Between two Han characters it is left out.
    spaced: bool,
    begins_han: bool,
    ends_han: bool,
}

/// The bytes of every token of a vocabulary. They turn the ids of a row back into text.
///
/// A row begins and ends at a token, and therefore may begin within a word, or even within a character.
#[derive(Debug)]
pub struct Spellings {
    bytes: Vec<u8>,
    /// The text of each id; `None` for special tokens and ids without a token.
    pieces: Vec<Option<Piece>>,
}

/// The text of a run of tokens between two special tokens.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Spelled {
    /// The position of the first token in the row.
    pub start: usize,
    /// The text in UTF-8, except where an end of the row cuts a character in two.
    pub bytes: Vec<u8>,
    /// The end of the bytes of each token. A space before a word belongs to the token after it.
    pub ends: Vec<usize>,
}

impl Tokenizer {
    /// The text of each token. Lower case, accents and white space are as the normalizer and the pre-tokenizer left
    /// them.
    pub fn spellings(&self) -> Spellings {
        let rule = Rule::of(&self.inner.library);
        let added = self.inner.library.get_added_tokens_decoder();
        let mut spellings = Spellings { bytes: Vec::new(), pieces: Vec::new() };
        for id in 0..self.vocab_size() as u32 {
            let special = self.special().all.binary_search(&id).is_ok();
            let piece = self.token(id).filter(|_| !special).map(|token| match added.get(&id) {
                // An added token stands in the text as it is written, whatever the alphabet of the model.
                Some(_) => {
                    spellings.add(token.as_bytes(), matches!(rule, Rule::Prefix(_) | Rule::Plain))
                }
                None => spellings.add_by(&rule, &token),
            });
            spellings.pieces.push(piece);
        }
        spellings
    }
}

impl Spellings {
    fn add(&mut self, bytes: &[u8], spaced: bool) -> Piece {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        Piece {
            bytes: start..self.bytes.len(),
            spaced,
            begins_han: text.chars().next().is_some_and(is_cjk),
            ends_han: text.chars().next_back().is_some_and(is_cjk),
        }
    }

    fn add_by(&mut self, rule: &Rule, token: &str) -> Piece {
        match rule {
            Rule::Prefix(prefix) => match token.strip_prefix(prefix.as_str()) {
                Some(rest) if !prefix.is_empty() => self.add(rest.as_bytes(), false),
                _ => self.add(token.as_bytes(), true),
            },
            Rule::Suffix(suffix) => match token.strip_suffix(suffix.as_str()) {
                Some(rest) if !suffix.is_empty() => self.add(format!("{rest} ").as_bytes(), false),
                _ => self.add(token.as_bytes(), false),
            },
            Rule::Bytes(suffix) => {
                let end = token.strip_suffix(suffix.as_str()).filter(|_| !suffix.is_empty());
                let bytes: Option<Vec<u8>> = end.unwrap_or(token).chars().map(byte_of).collect();
                let mut bytes = bytes.unwrap_or_else(|| token.as_bytes().to_vec());
                bytes.extend(end.map(|_| b' '));
                self.add(&bytes, false)
            }
            Rule::Mark(mark) => match byte_fallback(token) {
                Some(byte) => self.add(&[byte], false),
                None => self.add(token.replace(*mark, " ").as_bytes(), false),
            },
            Rule::Plain => self.add(token.as_bytes(), true),
        }
    }

    /// Whether `id` is a special token, or an id without a token.
    pub fn is_special(&self, id: u32) -> bool {
        !matches!(self.pieces.get(id as usize), Some(Some(_)))
    }

    /// The texts of a row between its special tokens.
    pub fn spell(&self, ids: &[u32]) -> Vec<Spelled> {
        let mut runs: Vec<Spelled> = Vec::new();
        let mut after_han = false;
        let mut open = false;
        for (at, id) in ids.iter().enumerate() {
            let Some(Some(piece)) = self.pieces.get(*id as usize) else {
                open = false;
                continue;
            };
            if !open {
                runs.push(Spelled { start: at, ..Spelled::default() });
                (open, after_han) = (true, false);
            }
            if let Some(run) = runs.last_mut() {
                if piece.spaced && !run.bytes.is_empty() && !(after_han && piece.begins_han) {
                    run.bytes.push(b' ');
                }
                run.bytes.extend_from_slice(&self.bytes[piece.bytes.clone()]);
                run.ends.push(run.bytes.len());
            }
            after_han = piece.ends_han;
        }
        runs
    }
}

impl Rule {
    fn of(library: &tokenizers::Tokenizer) -> Self {
        use tokenizers::ModelWrapper::{BPE, WordPiece};
        let parts = serde_json::json!([library.get_decoder(), library.get_pre_tokenizer()]);
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let (prefix, suffix) = match library.get_model() {
            WordPiece(model) => return Self::Prefix(model.continuing_subword_prefix.clone()),
            BPE(model) => {
                (given(&model.continuing_subword_prefix), given(&model.end_of_word_suffix))
            }
            _ => (None, None),
        };
        if find(&parts, "ByteLevel").is_some() {
            return Self::Bytes(suffix.unwrap_or_default());
        }
        if let Some(suffix) = suffix {
            return Self::Suffix(suffix);
        }
        if let Some(part) = find(&parts, "Metaspace") {
            let mark = part.get("replacement").and_then(Value::as_str);
            return Self::Mark(mark.and_then(|mark| mark.chars().next()).unwrap_or('▁'));
        }
        if let Some(part) = find(&parts, "WordPiece") {
            return Self::Prefix(part["prefix"].as_str().unwrap_or("##").to_owned());
        }
        if let Some(prefix) = prefix {
            return Self::Prefix(prefix);
        }
        // Llama's decoder is a sequence of replacements, but its pieces are those of SentencePiece.
        match library.token_to_id("▁") {
            Some(_) => Self::Mark('▁'),
            None => Self::Plain,
        }
    }
}

/// Finds the part of type `kind` in `parts`, at any depth.
fn find<'a>(parts: &'a Value, kind: &str) -> Option<&'a Value> {
    match parts {
        Value::Array(parts) => parts.iter().find_map(|part| find(part, kind)),
        Value::Object(part) if part.get("type").is_some_and(|name| name == kind) => Some(parts),
        Value::Object(part) => part.values().find_map(|part| find(part, kind)),
        _ => None,
    }
}

/// The steps of a normalizer, a pre-tokenizer or a decoder, in the order in which they run.
pub(super) fn flatten(component: &Value) -> Vec<&Value> {
    let lists = ["normalizers", "pretokenizers", "decoders"];
    match lists.iter().find_map(|key| component.get(key)?.as_array()) {
        Some(steps) => steps.iter().flat_map(flatten).collect(),
        None => vec![component],
    }
}

/// The byte that a token such as `<0x0A>` stands for.
fn byte_fallback(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    (digits.len() == 2).then(|| u8::from_str_radix(digits, 16).ok())?
}

/// The byte that a character of GPT-2's alphabet stands for. Printable bytes stand for themselves; the other 68 follow
/// in order from U+0100.
pub(super) fn byte_of(c: char) -> Option<u8> {
    let printable = |byte: u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let code = u32::from(c);
    if code < 0x100 {
        return printable(code).then_some(code as u8);
    }
    let nth = code.checked_sub(0x100)? as usize;
    (0..0x100).filter(|byte| !printable(*byte)).nth(nth).map(|byte| byte as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_alphabet_of_bytes_is_the_librarys() {
        let alphabet = tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet();
        let mut bytes: Vec<u8> = alphabet.into_iter().filter_map(byte_of).collect();
        bytes.sort_unstable();
        assert_eq!(bytes, (0..=255).collect::<Vec<u8>>());
        assert_eq!((byte_of('Ġ'), byte_of('Ċ'), byte_of('▁')), (Some(b' '), Some(b'\n'), None));
        assert_eq!((byte_fallback("<0xE6>"), byte_fallback("<0xE>")), (Some(0xe6), None));
    }
}
