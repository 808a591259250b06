//! Long texts, cut where that changes nothing.
//!
//! The library takes time and a hundred times the memory in one piece for a text of any length. A
//! BERT tokenizer never looks across white space or a full stop, so there a text can be cut and its
//! parts encoded side by side. For other kinds this is not known, and they get the text whole.

use tokenizers::{NormalizerWrapper, PreTokenizerWrapper};

/// Texts up to this many bytes stay whole.
pub(super) const LONG: usize = 1 << 20;
/// The parts of longer ones have about so many.
const PART: usize = 1 << 18;
/// Where it may be cut, after the character.
const ENDS: [char; 4] = [' ', '\n', '\t', '。'];

/// Whether texts for this tokenizer may be cut.
pub(super) fn may_cut(library: &tokenizers::Tokenizer) -> bool {
    let parts = (library.get_normalizer(), library.get_pre_tokenizer());
    let bert = matches!(
        parts,
        (
            Some(NormalizerWrapper::BertNormalizer(_)),
            Some(PreTokenizerWrapper::BertPreTokenizer(_))
        )
    );
    // An added token is matched before the text is split, so it must not hold a place to cut.
    let added = library.get_added_tokens_decoder();
    bert && !added.values().any(|token| token.content.contains(ENDS))
}

/// The parts of `text`, in order; nothing is left out.
pub(super) fn cut(text: &str) -> Vec<&str> {
    let mut parts = Vec::with_capacity(text.len() / PART + 1);
    let mut rest = text;
    while rest.len() > PART {
        let mut ends = rest.char_indices().skip_while(|(at, _)| *at < PART);
        let end =
            ends.find(|(_, c)| ENDS.contains(c)).map_or(rest.len(), |(at, c)| at + c.len_utf8());
        let (part, after) = rest.split_at(end);
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}
