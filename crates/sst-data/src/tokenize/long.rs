//! Long texts, cut where that changes nothing.
//!
//! The library takes time and a hundred times the memory in one piece for a text of any length. A
//! BERT tokenizer never looks across white space or a full stop, and one that puts `▁` before every
//! word not across a space between two words, so there a text can be cut and its parts encoded side by
//! side. For other kinds this is not known, and they get the text whole.

use serde_json::{Value, json};

use super::spelling::flatten;

/// Texts up to this many bytes stay whole.
pub(super) const LONG: usize = 1 << 20;
/// The parts of longer ones have about so many.
pub(super) const PART: usize = 1 << 18;
/// Where a text for a BERT tokenizer may be cut, after the character.
const ENDS: [char; 4] = [' ', '\n', '\t', '。'];
/// Steps of normalizers that change a character by itself, or with the marks after it.
const LOCAL: [&str; 8] =
    ["NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Precompiled"];

/// Where texts may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cuts {
    /// After each of `ENDS`.
    Ends,
    /// At a single space between two letters, digits or Han characters; the space is left out.
    Spaces,
    /// At a space or the end of a line between those.
    Lines,
}

impl Cuts {
    /// Where texts for this tokenizer may be cut; `None` if that is not known.
    pub(super) fn of(library: &tokenizers::Tokenizer) -> Option<Self> {
        // An added token is matched before the text is split, so it must not hold a place to cut.
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

    /// The parts of `text`, in order.
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

    /// Where the first part of `text` ends, and where the second begins.
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

/// The first of `spaces` in `text` that stands alone between two letters, digits or Han characters.
fn plain_space(text: &str, spaces: &[char]) -> Option<usize> {
    let plain =
        |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || crate::words::is_cjk(c));
    let mut found = text.match_indices(spaces).map(|(at, _)| at);
    found.find(|at| plain(text[..*at].chars().next_back()) && plain(text[at + 1..].chars().next()))
}

/// The parts of a long text whose words are counted for training. A part ends before a single space between two
/// letters, digits or Han characters, which no tokenizer that sst trains looks across; in a text without such a space
/// it ends after `。` or a line, and at the latest after four times the usual length.
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
