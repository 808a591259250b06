//! Cuts long texts into parts that can be encoded one by one without changing the ids.
//!
//! The crate `tokenizers` encodes a text of any length at once, and takes a hundred times its size in memory. A BERT
//! tokenizer never looks across white space or a full stop, and a tokenizer that puts `▁` before every word never
//! looks across a space between two words. At these places a text can be cut, and its parts encoded in parallel. Other
//! tokenizers encode the whole text at once, because no such place is known for them.

use serde_json::{Value, json};

use super::spelling::flatten;

/// Texts of up to this many bytes are not cut.
pub(super) const LONG: usize = 1 << 20;
/// The approximate size of a part, in bytes.
pub(super) const PART: usize = 1 << 18;
/// A text for a BERT tokenizer may be cut after each of these characters.
const ENDS: [char; 4] = [' ', '\n', '\t', '。'];
/// Normalizers that change a character by itself, or together with the combining marks after it.
const LOCAL: [&str; 8] =
    ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Precompiled"];

/// Where a text may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cuts {
    /// The text may be cut after each character of [`ENDS`].
    Ends,
    /// The text may be cut at a single space between two letters, digits or Han characters. The space is left out.
    Spaces,
    /// The text may be cut at a single space or line end between two letters, digits or Han characters.
    Lines,
}

impl Cuts {
    /// Where texts for `library` may be cut; `None` if no such place is known.
    pub(super) fn of(library: &tokenizers::Tokenizer) -> Option<Self> {
        // An added token is matched before the text is split, so it must not contain a place where texts are cut.
        let added = library.get_added_tokens_decoder();
        let holds = |c: char| ENDS.contains(&c) || c.is_whitespace();
        if added.values().any(|token| token.content.contains(holds)) {
            return None;
        }
        let parts = json!([library.get_normalizer(), library.get_pre_tokenizer()]);
        let (normalizer, pre_tokenizer) = (flatten(&parts[0]), flatten(&parts[1]));
        let is = |part: &Value, kind: &str| part["type"] == kind;
        if let ([normalizer], [pre_tokenizer]) = (&*normalizer, &*pre_tokenizer)
            && is(normalizer, "BertNormalizer")
            && is(pre_tokenizer, "BertPreTokenizer")
        {
            return Some(Self::Ends);
        }
        let folds = |part: &Value| {
            let pattern = json!({"Regex": "\\s+"});
            is(part, "Replace") && part["pattern"] == pattern && part["content"] == " "
        };
        let is_local = |part: &Value| LOCAL.iter().any(|kind| is(part, kind));
        if !normalizer.iter().all(|part| part.is_null() || folds(part) || is_local(part)) {
            return None;
        }
        let splits = pre_tokenizer.first().is_some_and(|part| is(part, "WhitespaceSplit"));
        let metaspace = pre_tokenizer.get(usize::from(splits))?;
        let always = is(metaspace, "Metaspace")
            && metaspace["prepend_scheme"] == "always"
            && metaspace["split"] == true;
        let lines = splits || normalizer.iter().any(|part| folds(part));
        always.then_some(if lines { Self::Lines } else { Self::Spaces })
    }

    /// Cuts `text` into parts, in order.
    pub(super) fn cut(self, text: &str) -> Vec<&str> {
        let mut parts = Vec::with_capacity(text.len() / PART + 1);
        let mut rest = text;
        while rest.len() > PART {
            let Some((end, next)) = self.next(rest) else { break };
            parts.push(&rest[..end]);
            rest = &rest[next..];
        }
        parts.push(rest);
        parts
    }

    /// The end of the first part of `text`, and the start of the second.
    fn next(self, text: &str) -> Option<(usize, usize)> {
        let mut start = PART;
        while !text.is_char_boundary(start) {
            start += 1;
        }
        let window = &text[start..];
        let spaces: &[char] = match self {
            Self::Ends => {
                let (at, c) = window.char_indices().find(|(_, c)| ENDS.contains(c))?;
                let end = start + at + c.len_utf8();
                return Some((end, end));
            }
            Self::Spaces => &[' '],
            Self::Lines => &[' ', '\n'],
        };
        plain_space(window, spaces).map(|at| (start + at, start + at + 1))
    }
}

/// The position of the first of `spaces` in `text` that stands alone between two letters, digits or Han characters.
fn plain_space(text: &str, spaces: &[char]) -> Option<usize> {
    let plain =
        |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || crate::words::is_cjk(c));
    let mut found = text.match_indices(spaces).map(|(at, _)| at);
    found.find(|at| plain(text[..*at].chars().next_back()) && plain(text[at + 1..].chars().next()))
}

/// Cuts a long text into parts for counting the words of a training corpus. A part ends before a single space between
/// two letters, digits or Han characters, because no tokenizer that sst trains looks across such a space. If a text
/// has none, a part ends after `。` or a line, and at the latest after four times [`PART`] bytes.
pub(super) fn cut_words(text: &str) -> Vec<&str> {
    let mut parts = Vec::with_capacity(text.len() / PART + 1);
    let mut rest = text;
    while rest.len() > PART {
        let (part, after) = rest.split_at(end_of_part(rest));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}

fn end_of_part(text: &str) -> usize {
    let floor = |mut at: usize| {
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (first, last) = (floor(PART), floor((4 * PART).min(text.len())));
    let window = &text[first..last];
    let before_space = plain_space(window, &[' ']);
    let after_sentence = || {
        window
            .find(['。', '\n'])
            .map(|at| first + at + window[at..].chars().next().map_or(1, char::len_utf8))
    };
    before_space.map(|at| first + at).or_else(after_sentence).unwrap_or(last)
}
