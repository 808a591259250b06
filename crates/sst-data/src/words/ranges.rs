//! Finds the words of a text from its characters alone, so that the result does not depend on the tokenizer.

use std::ops::Range;

use unicode_normalization::char::is_combining_mark;

use super::is_cjk;

/// The class of a character, which decides where words begin and end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// White space and invisible characters, which belong to no word.
    Space,
    /// A letter or digit of a script that puts spaces between words.
    Letter,
    /// A Han character. Runs of them are split with a dictionary.
    Han,
    Hiragana,
    Katakana,
    /// A letter of a script without spaces for which sst has no dictionary (Thai and similar scripts). Each is a word.
    Single,
    /// Punctuation, a symbol, an emoji.
    Symbol,
    /// A character that belongs to the one before it: a combining mark, a variation selector, a joiner, a skin tone.
    Extend,
}

impl Class {
    fn of(c: char) -> Self {
        match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' => Self::Letter,
            '\u{200b}' | '\u{feff}' | '\u{ad}' => Self::Space,
            '\u{200c}' | '\u{200d}' | '\u{1f3fb}'..='\u{1f3ff}' | '\u{e0020}'..='\u{e007f}' => {
                Self::Extend
            }
            _ if c.is_whitespace() || c.is_control() => Self::Space,
            _ if c.is_ascii() => Self::Symbol,
            _ if is_cjk(c) || c == '\u{3005}' => Self::Han,
            // The prolonged sound mark and the voicing marks belong to the kana before them.
            '\u{30fc}' | '\u{ff70}' | '\u{3099}'..='\u{309c}' | '\u{ff9e}' | '\u{ff9f}' => {
                Self::Extend
            }
            '\u{3041}'..='\u{309f}' => Self::Hiragana,
            '\u{30a1}'..='\u{30fa}'
            | '\u{30fd}'..='\u{30ff}'
            | '\u{31f0}'..='\u{31ff}'
            | '\u{ff66}'..='\u{ff9d}' => Self::Katakana,
            _ if is_combining_mark(c) => Self::Extend,
            // These ranges are Thai and Lao, Tibetan, Myanmar, Khmer, New Tai Lue and Tai Tham.
            '\u{e01}'..='\u{eff}'
            | '\u{f40}'..='\u{fbc}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{17b3}'
            | '\u{1950}'..='\u{1aad}'
                if c.is_alphanumeric() =>
            {
                Self::Single
            }
            _ if c.is_alphanumeric() => Self::Letter,
            _ => Self::Symbol,
        }
    }
}

/// The words of `text` in order, as byte ranges. White space belongs to no word, and every other character to exactly
/// one.
///
/// - A run of letters and digits is a word. It ends at white space, at punctuation, and where the script changes to
///   Han or kana. `don't` has the words `don`, `'` and `t`, as in BERT.
/// - A run of Han characters is cut into words by jieba (each character is a word without the feature
///   `jieba`).
/// - A run of katakana is a word, and so is one of hiragana.
/// - A letter of Thai, Lao, Khmer, Myanmar or Tibetan is a word together with its marks, because there is no
///   dictionary of these languages.
/// - Every punctuation mark, symbol and emoji is a word. Joiners, variation selectors, skin tones and combining marks
///   belong to the character before them.
pub fn word_ranges(text: &str) -> Vec<Range<usize>> {
    let mut words: Vec<Range<usize>> = Vec::with_capacity(text.len() / 4);
    // The class of the last word, and whether it ends with a joiner, which binds the next character.
    let (mut last, mut joined) = (Class::Space, false);
    let mut han_start = None;
    for (at, c) in text.char_indices() {
        let class = Class::of(c);
        let end = at + c.len_utf8();
        if last == Class::Han && !matches!(class, Class::Han | Class::Extend) {
            cut_han(text, han_start.take(), at, &mut words);
        }
        let goes_on = match class {
            Class::Space => false,
            Class::Extend => last != Class::Space,
            Class::Letter | Class::Han | Class::Hiragana | Class::Katakana => {
                joined || last == class
            }
            Class::Single | Class::Symbol => joined,
        };
        match words.last_mut() {
            Some(word) if goes_on => word.end = end,
            _ if class == Class::Space => {}
            _ => {
                words.push(at..end);
                if class == Class::Han {
                    han_start = Some(words.len() - 1);
                }
            }
        }
        joined = c == '\u{200d}' && last != Class::Space && last != Class::Han;
        last = match class {
            // A mark without a character before it counts as a symbol.
            Class::Extend if last == Class::Space => Class::Symbol,
            Class::Extend => last,
            _ => class,
        };
    }
    if last == Class::Han {
        cut_han(text, han_start, text.len(), &mut words);
    }
    words
}

/// Replaces the last entry of `words`, the run of Han characters at index `at`, by its words.
#[cfg(feature = "jieba")]
fn cut_han(text: &str, at: Option<usize>, end: usize, words: &mut Vec<Range<usize>>) {
    let Some(run) = at.and_then(|at| words.get(at).cloned()) else { return };
    let run = run.start..end.min(run.end);
    // A run of up to four bytes is a single character and needs no dictionary.
    if run.len() <= 4 {
        return;
    }
    words.pop();
    let mut start = run.start;
    for word in super::ChineseWords::load().cut(&text[run]) {
        words.push(start..start + word.len());
        start += word.len();
    }
}

/// Replaces the last entry of `words`, the run of Han characters at index `at`, by its characters.
#[cfg(not(feature = "jieba"))]
fn cut_han(text: &str, at: Option<usize>, end: usize, words: &mut Vec<Range<usize>>) {
    let Some(run) = at.and_then(|at| words.get(at).cloned()) else { return };
    let run = run.start..end.min(run.end);
    words.pop();
    for (at, c) in text[run.clone()].char_indices() {
        let start = run.start + at;
        match words.last_mut() {
            Some(word) if Class::of(c) == Class::Extend && word.end == start && at > 0 => {
                word.end = start + c.len_utf8();
            }
            _ => words.push(start..start + c.len_utf8()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        word_ranges(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn words_of_many_scripts() {
        for (text, expected) in [
            ("", &[][..]),
            (" \n\t\u{3000}", &[]),
            ("The cat, 3.5%", &["The", "cat", ",", "3", ".", "5", "%"]),
            ("don't a_b", &["don", "'", "t", "a", "_", "b"]),
            ("nai\u{308}ve café", &["nai\u{308}ve", "café"]),
            ("\u{301}x", &["\u{301}", "x"]),
            ("한국어를 배웁니다.", &["한국어를", "배웁니다", "."]),
            ("テーブルのうえ", &["テーブル", "のうえ"]),
            (
                "x👍🏽y👨\u{200d}👩\u{200d}👧❤\u{fe0f}",
                &["x", "👍🏽", "y", "👨\u{200d}👩\u{200d}👧", "❤\u{fe0f}"],
            ),
            ("นี้ก", &["นี้", "ก"]),
            ("می\u{200c}خواهم", &["می\u{200c}خواهم"]),
        ] {
            assert_eq!(words(text), expected, "{text:?}");
        }
    }

    #[cfg(feature = "jieba")]
    #[test]
    fn chinese_words_are_those_of_the_dictionary() {
        let text = "昨天晚上老师练习观察iPhone15星星。天气很好";
        let expected =
            ["昨天晚上", "老师", "练习", "观察", "iPhone15", "星星", "。", "天气", "很", "好"];
        assert_eq!(words(text), expected);
    }
}
