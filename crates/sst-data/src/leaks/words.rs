//! The words of a text as they are compared.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::clean::is_invisible;
use crate::words::{begins_word, is_unspaced};

/// A normalised text and its words.
#[derive(Debug)]
pub(super) struct Words {
    text: String,
    ranges: Vec<Range<usize>>,
}

impl Words {
    /// The words of `text`, which is normalised first.
    pub(super) fn of(text: &str) -> Self {
        let text = normalise(text);
        let mut ranges = Vec::with_capacity(text.len() / 5);
        let (mut start, mut has_letter, mut before) = (0, false, None);
        for (at, c) in text.char_indices() {
            // Most characters of most texts are letters of ASCII after others, and need no look at the tables of Unicode.
            let goes_on = c.is_ascii_alphanumeric()
                && before.is_some_and(|c: char| c.is_ascii_alphanumeric());
            if !goes_on && (c.is_whitespace() || begins_word(before, c)) {
                if has_letter {
                    ranges.push(start..at);
                }
                (start, has_letter) = (at, false);
            }
            has_letter |= c.is_alphanumeric();
            if c.is_ascii() || !is_combining_mark(c) {
                before = Some(c);
            }
        }
        if has_letter {
            ranges.push(start..text.len());
        }
        Self { text, ranges }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &str> {
        self.ranges.iter().map(|range| &self.text[range.clone()])
    }

    /// Word number `index`.
    pub(super) fn get(&self, index: usize) -> &str {
        &self.text[self.ranges[index].clone()]
    }
}

/// Removes invisible characters, applies NFKC, and turns every character into lower case. Both forms of the Greek small
/// sigma become the same, because capitals have only one.
fn normalise(text: &str) -> String {
    if text.is_ascii() {
        return text
            .chars()
            .filter(|c| !is_invisible(*c))
            .map(|c| c.to_ascii_lowercase())
            .collect();
    }
    let lower = text.chars().filter(|c| !is_invisible(*c)).nfkc().flat_map(char::to_lowercase);
    lower.map(|c| if c == 'ς' { 'σ' } else { c }).collect()
}

/// `words` as a line to read, of at most `limit` characters. There is no space between two characters of scripts that are
/// written without spaces.
pub(super) fn join<'a>(words: impl IntoIterator<Item = &'a str>, limit: usize) -> String {
    let (mut line, mut length) = (String::new(), 0);
    for word in words {
        let unspaced = |c: Option<char>| c.is_none_or(is_unspaced);
        if !(unspaced(line.chars().next_back()) && unspaced(word.chars().next())) {
            line.push(' ');
            length += 1;
        }
        line.push_str(word);
        length += word.chars().count();
        if length > limit {
            let end = line.char_indices().nth(limit).map_or(line.len(), |(end, _)| end);
            line.truncate(end);
            line.push('…');
            break;
        }
    }
    line.trim_start().to_owned()
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn words_are_normalised_and_punctuation_is_left_out() {
        for (text, expected) in [
            ("", &[][..]),
            (" ... 。！ 😀 --", &[]),
            ("Don't  stop,\nNOW!", &["don", "t", "stop", "now"]),
            ("a_b 3.14 x\u{0}y", &["a", "b", "3", "14", "xy"]),
            ("天下大勢，分久必合。", &["天", "下", "大", "勢", "分", "久", "必", "合"]),
            ("在iPhone１５上", &["在", "iphone15", "上"]),
            ("cafe\u{301} CAFÉ co\u{ad}op ﬁn", &["café", "café", "coop", "fin"]),
            ("\u{301}x ΟΔΟΣ οδος", &["x", "οδοσ", "οδοσ"]),
            ("カタ ｶﾞ", &["カ", "タ", "ガ"]),
            ("한국어를 배웁니다.", &["한국어를", "배웁니다"]),
        ] {
            assert_eq!(Words::of(text).iter().collect::<Vec<_>>(), expected, "{text:?}");
        }
    }

    #[test]
    fn words_are_joined_to_a_line() {
        let line = |text: &str, limit| join(Words::of(text).iter(), limit);
        assert_eq!(line("Let there -- be light", 100), "let there be light");
        assert_eq!(line("话说天下，合久必分", 100), "话说天下合久必分");
        assert_eq!(line("我爱 Rust 语言", 100), "我爱 rust 语言");
        assert_eq!(line("我爱天下", 3), "我爱天…");
        assert_eq!(line("我爱天下", 4), "我爱天下");
        assert_eq!(line("", 3), "");
    }
}
