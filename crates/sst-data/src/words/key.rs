//! Hashes a word so that the hash does not depend on how a tokenizer normalizes it.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::rng::mix64;

/// A hash of `word` that is the same for upper and lower case, with and without accents, and for compatible characters
/// (NFKD). Tokenizers that lower-case, strip accents or apply NFKC therefore give the same key to the same word. The
/// hash is the same in every version.
pub fn spelling_key(word: &str) -> u64 {
    // ASCII and the common Han characters are their own normal forms.
    if word.chars().all(|c| c.is_ascii() || matches!(c, '\u{4e00}'..='\u{9fff}')) {
        return hash(word.chars().map(|c| c.to_ascii_lowercase()));
    }
    let plain = |c: char| c.is_ascii() || !is_combining_mark(c);
    match word.nfkd().any(plain) {
        true => hash(word.nfkd().filter(|c| plain(*c)).flat_map(char::to_lowercase)),
        false => hash(word.chars()),
    }
}

fn hash(characters: impl Iterator<Item = char>) -> u64 {
    characters.fold(0, |hash, c| mix64(hash ^ u64::from(u32::from(c))))
}

#[cfg(test)]
mod tests {
    use super::spelling_key as key;

    #[test]
    fn normal_forms_share_a_key() {
        assert_eq!(key("Café"), key("cafe"));
        assert_eq!(key("e\u{301}"), key("É"));
        assert_eq!(key("，"), key(","));
        assert_eq!(key("ＡＢ"), key("ab"));
        assert_ne!(key("刘备"), key("备刘"));
        assert_ne!(key(""), key("a"));
        assert_ne!(key("\u{301}"), key("\u{302}"));
        assert_eq!(key("刘备"), 0x859c_6d7d_ca8f_f18a);
    }
}
