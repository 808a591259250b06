//! Chinese characters, the length of a text in its own unit, Chinese words, and the words of any text.

mod key;
mod ranges;

pub use key::spelling_key;
pub use ranges::word_ranges;
use unicode_segmentation::UnicodeSegmentation;

/// Whether `c` is a Han character: the blocks that BERT's tokenizer sets apart, those added to
/// Unicode since, and 〇. Kana, Hangul and CJK punctuation are not.
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

/// The length of a text in the unit that fits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Characters that are not white space: the unit of a mostly Chinese (or Japanese) text.
    Characters(usize),
    /// Words in the sense of Unicode (UAX 29), a Han character counting as one: the unit otherwise.
    Words(usize),
}

impl Length {
    /// The number, whatever its unit.
    pub fn count(self) -> usize {
        match self {
            Self::Characters(count) | Self::Words(count) => count,
        }
    }
}

/// The length of `text`: in characters if at least as many Han characters and kana stand in it as
/// words of other scripts, otherwise in words.
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

/// Splits Chinese text into words (jieba: a dictionary, and a hidden Markov model for the rest).
///
/// The dictionary of some 350,000 words is built once a process, on first use, in about a second;
/// this is a handle to it.
#[cfg(feature = "jieba")]
#[derive(Clone, Copy)]
pub struct ChineseWords {
    jieba: &'static jieba_rs::Jieba,
}

#[cfg(feature = "jieba")]
impl ChineseWords {
    /// The dictionary, loaded if this is the first use.
    pub fn load() -> Self {
        static JIEBA: std::sync::OnceLock<jieba_rs::Jieba> = std::sync::OnceLock::new();
        Self { jieba: JIEBA.get_or_init(jieba_rs::Jieba::new) }
    }

    /// The words of `text` in order; put together they are `text` again, spaces included.
    pub fn cut<'a>(&self, text: &'a str) -> Vec<&'a str> {
        self.jieba.cut(text, true).into_iter().map(|token| token.word).collect()
    }

    /// Whether `word` is a name of a person, a place, an organisation or another single thing, as the
    /// dictionary has it or the model guesses.
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
