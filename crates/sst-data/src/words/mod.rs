//! Han characters, the length of a text, and the words of Chinese and other texts.

mod key;
mod ranges;

pub use key::spelling_key;
pub use ranges::word_ranges;
use unicode_normalization::char::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

/// Whether `c` is a Han character: those of the blocks that BERT's tokenizer splits off, those added to Unicode since,
/// and 〇. Kana, Hangul and CJK punctuation are not.
pub fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{3007}'
        | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{2a6df}'
        | '\u{2a700}'..='\u{2ee5d}'
        | '\u{2f800}'..='\u{2fa1f}'
        | '\u{30000}'..='\u{323af}')
}

/// Whether `c` belongs to a script written without spaces between words: Han and kana.
pub(crate) fn is_unspaced(c: char) -> bool {
    is_cjk(c)
        || matches!(c,
            '\u{3005}' | '\u{3041}'..='\u{30ff}' | '\u{31f0}'..='\u{31ff}' | '\u{ff66}'..='\u{ff9f}')
}

/// Whether a word begins at character `c`. `before` is the last character before it that is no combining mark. A word is a
/// run of letters and digits; each Han character, kana and punctuation mark is a word by itself, as in BERT. A combining
/// mark belongs to the character before it.
pub fn begins_word(before: Option<char>, c: char) -> bool {
    if c.is_whitespace() {
        return false;
    }
    let is_inner = |c: char| c.is_alphanumeric() && !is_unspaced(c);
    match before {
        None => true,
        Some(before) if is_combining_mark(c) => before.is_whitespace(),
        Some(before) => !(is_inner(c) && is_inner(before)),
    }
}

/// The last character of `text` that is no combining mark, for [`begins_word`].
pub fn last_base(text: &str) -> Option<char> {
    text.chars().rev().find(|c| !is_combining_mark(*c))
}

/// The length of a text, in characters or in words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// The number of characters that are not white space. It is the unit of a mostly Chinese or Japanese text.
    Characters(usize),
    /// The number of words as Unicode defines them (UAX 29), where a Han character counts as one word. It is the unit
    /// of all other texts.
    Words(usize),
}

impl Length {
    /// The number, in either unit.
    pub fn count(self) -> usize {
        match self {
            Self::Characters(count) | Self::Words(count) => count,
        }
    }
}

/// The length of `text`. It is in characters if the text has at least as many Han characters and kana as words of
/// other scripts, otherwise in words.
pub fn count_length(text: &str) -> Length {
    let (mut unspaced, mut words) = (0, 0);
    for word in text.unicode_words() {
        match word.chars().filter(|c| is_unspaced(*c)).count() {
            0 => words += 1,
            count => unspaced += count,
        }
    }
    if unspaced > 0 && unspaced >= words {
        Length::Characters(text.chars().filter(|c| !c.is_whitespace()).count())
    } else {
        Length::Words(words + unspaced)
    }
}

/// Splits Chinese text into words with jieba, which uses a dictionary, and a hidden Markov model for words that are
/// not in it.
///
/// The dictionary of about 350,000 words is loaded once a process, on first use, which takes about a second. This type
/// is a handle to it.
#[cfg(feature = "jieba")]
#[derive(Clone, Copy)]
pub struct ChineseWords {
    jieba: &'static jieba_rs::Jieba,
}

#[cfg(feature = "jieba")]
impl ChineseWords {
    /// A handle to the dictionary, which is loaded on first use.
    pub fn load() -> Self {
        static JIEBA: std::sync::OnceLock<jieba_rs::Jieba> = std::sync::OnceLock::new();
        Self { jieba: JIEBA.get_or_init(jieba_rs::Jieba::new) }
    }

    /// The words of `text` in order. Concatenated they give `text` again, including spaces.
    pub fn cut<'a>(&self, text: &'a str) -> Vec<&'a str> {
        self.jieba.cut(text, true).into_iter().map(|token| token.word).collect()
    }

    /// Whether `word` is a name of a person, a place, an organisation or another single thing, by the dictionary or by
    /// the prediction of the model.
    pub fn is_name(&self, word: &str) -> bool {
        let tags = self.jieba.tag(word, true);
        tags.iter().any(|tag| ["nr", "ns", "nt", "nz"].iter().any(|name| tag.tag.starts_with(name)))
    }
}

#[cfg(feature = "jieba")]
impl std::fmt::Debug for ChineseWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChineseWords")
    }
}

#[cfg(test)]
mod tests {
    use super::{begins_word, last_base};

    #[test]
    fn words_begin_after_spaces_and_punctuation_and_at_each_han_character() {
        let starts = |text: &str| -> String {
            let mark = |(at, c): (usize, char)| match begins_word(last_base(&text[..at]), c) {
                true => format!("|{c}"),
                false => c.to_string(),
            };
            text.char_indices().map(mark).collect()
        };
        assert_eq!(starts("U.S. 3kg, don't"), "|U|.|S|. |3kg|, |don|'|t");
        assert_eq!(starts("在iPhone上"), "|在|iPhone|上");
        assert_eq!(starts("nai\u{308}ve"), "|nai\u{308}ve");
        assert_eq!(starts("한국어를 배"), "|한국어를 |배");
        assert_eq!(starts("中\u{301}c"), "|中\u{301}|c");
        assert_eq!(starts("カタ"), "|カ|タ");
    }
}
