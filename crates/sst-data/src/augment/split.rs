//! Splits a text into words, special tokens and the rest.

use unicode_segmentation::UnicodeSegmentation;

use super::special::special_tokens;
use crate::words::is_unspaced;

/// Punctuation that joins two words into one: well-known, and/or, R&D, a@b.
const JOINERS: &[&str] = &["-", "\u{2010}", "\u{2011}", "/", "&", "@", "+"];
/// Characters that may stand before a word without a space in between.
const OPENERS: &str = "([{<“‘«\"'（［｛【《〈「『¿¡";

/// The kind of a piece of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A word: jieba splits Chinese text, and other text is split at spaces and punctuation.
    Word,
    /// A special token, which is never changed.
    Special,
    /// White space, punctuation or symbols.
    Gap,
}

/// A piece of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// The start, in bytes.
    pub(super) start: usize,
}

/// A text split into pieces. Concatenated they give the text again.
#[derive(Debug, Clone)]
pub(super) struct Split<'a> {
    pub(super) text: &'a str,
    pub(super) pieces: Vec<Piece<'a>>,
    /// The indices of the pieces that are words.
    pub(super) words: Vec<usize>,
}

impl<'a> Split<'a> {
    /// Splits `text`. The tokens in `special` count as special tokens, too.
    pub(super) fn new(text: &'a str, special: &[String]) -> Self {
        let mut split = Self { text, pieces: Vec::new(), words: Vec::new() };
        let mut done = 0;
        for range in special_tokens(text, special) {
            split.plain(done..range.start);
            split.push(Kind::Special, &text[range.clone()]);
            done = range.end;
        }
        split.plain(done..text.len());
        let is_word = |(_, piece): &(usize, &Piece<'_>)| piece.kind == Kind::Word;
        split.words = split.pieces.iter().enumerate().filter(is_word).map(|(at, _)| at).collect();
        split
    }

    /// The text of word `index`.
    pub(super) fn word(&self, index: usize) -> &'a str {
        self.pieces[self.words[index]].text
    }

    /// The text with some words replaced: `new` returns the replacement of a word, or `None` to keep it.
    pub(super) fn replaced(&self, mut new: impl FnMut(usize) -> Option<String>) -> String {
        let mut out = String::with_capacity(self.text.len());
        let mut word = 0;
        for piece in &self.pieces {
            let replacement = if piece.kind == Kind::Word {
                word += 1;
                new(word - 1)
            } else {
                None
            };
            out += replacement.as_deref().unwrap_or(piece.text);
        }
        out
    }

    /// The text without the words that `is_dropped` selects, and without the white space that would be left over.
    pub(super) fn without(&self, is_dropped: impl Fn(usize) -> bool) -> String {
        let mut out = String::with_capacity(self.text.len());
        let (mut word, mut skip_space) = (0, false);
        for (place, piece) in self.pieces.iter().enumerate() {
            if piece.kind != Kind::Word {
                let space =
                    if skip_space { piece.text.len() - piece.text.trim_start().len() } else { 0 };
                out += &piece.text[space..];
                skip_space = false;
                continue;
            }
            word += 1;
            if !is_dropped(word - 1) {
                out += piece.text;
                continue;
            }
            let next = self.pieces.get(place + 1).map_or("", |piece| piece.text);
            skip_space = close_up(&mut out, next);
        }
        out
    }

    /// Splits a range that contains no special token.
    fn plain(&mut self, range: std::ops::Range<usize>) {
        let mut rest = &self.text[range];
        while let Some(c) = rest.chars().next() {
            let unspaced = is_unspaced(c);
            let length = rest.find(|c| is_unspaced(c) != unspaced).unwrap_or(rest.len());
            let (stretch, after) = rest.split_at(length);
            if unspaced {
                cut(stretch).into_iter().for_each(|word| self.push(Kind::Word, word));
            } else {
                self.spaced(stretch);
            }
            rest = after;
        }
    }

    /// Splits a range of a script that puts spaces between words.
    fn spaced(&mut self, stretch: &'a str) {
        let parts: Vec<&'a str> = stretch.split_word_bounds().collect();
        let is_word = |part: &str| part.contains(char::is_alphanumeric);
        // The number of following parts that belong to a piece of this kind.
        let more = |kind, rest: &[&str]| match (kind, rest) {
            (Kind::Word, [joiner, word, ..]) if JOINERS.contains(joiner) && is_word(word) => 2,
            (Kind::Gap, [gap, ..]) if !is_word(gap) => 1,
            _ => 0,
        };
        let mut rest = &parts[..];
        let mut start = 0;
        while let [first, ..] = rest {
            let kind = if is_word(first) { Kind::Word } else { Kind::Gap };
            let mut count = 1;
            loop {
                match more(kind, &rest[count..]) {
                    0 => break,
                    further => count += further,
                }
            }
            let length: usize = rest[..count].iter().map(|part| part.len()).sum();
            self.push(kind, &stretch[start..start + length]);
            (rest, start) = (&rest[count..], start + length);
        }
    }

    fn push(&mut self, kind: Kind, text: &'a str) {
        let start = self.pieces.last().map_or(0, |piece| piece.start + piece.text.len());
        self.pieces.push(Piece { kind, text, start });
    }
}

/// Removes from the end of `out` the white space that a dropped word leaves before `next`. Returns whether white space
/// has to be removed from the start of `next` instead. A line end is kept if possible.
fn close_up(out: &mut String, next: &str) -> bool {
    let kept = out.trim_end().len();
    let has_line = |space: &str| space.contains('\n');
    let space = &out[kept..];
    let next_space = &next[..next.len() - next.trim_start().len()];
    if next_space.is_empty() {
        // "the man." without "man" is "the.", and no space is left at the end of the text.
        let closes = next.chars().next().is_none_or(|c| ".,;:!?)]}%…”’»".contains(c));
        if closes && !space.is_empty() && !has_line(space) {
            out.truncate(kept);
        }
        return false;
    }
    if !out.is_empty() && space.is_empty() {
        // "(old man" without "old" is "(man". In "go—old man" the space is kept.
        return !has_line(next_space) && out.ends_with(|c| OPENERS.contains(c));
    }
    if !has_line(space) && kept > 0 {
        out.truncate(kept);
        return false;
    }
    !has_line(next_space) || has_line(space)
}

/// Splits a run of Han characters and kana into words.
#[cfg(feature = "jieba")]
fn cut(stretch: &str) -> Vec<&str> {
    crate::words::ChineseWords::load().cut(stretch)
}

/// Without the feature `jieba` each character is a word.
#[cfg(not(feature = "jieba"))]
fn cut(stretch: &str) -> Vec<&str> {
    stretch.graphemes(true).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let split = Split::new(text, &[]);
        assert_eq!(split.pieces.iter().map(|piece| piece.text).collect::<String>(), text);
        (0..split.words.len()).map(|word| split.word(word)).collect()
    }

    #[test]
    fn words_of_spaced_scripts() {
        let text = "\"Don't,\" he said -- 3.14 well-known R&D's [MASK]\tand/or e.g. été!";
        let expected =
            ["Don't", "he", "said", "3.14", "well-known", "R&D's", "and/or", "e.g", "été"];
        assert_eq!(words(text), expected);
        assert_eq!(words(" ... 😀 -- "), [""; 0]);
        assert_eq!(words("क्या हाल"), ["क्या", "हाल"]);
    }

    #[cfg(feature = "jieba")]
    #[test]
    fn words_of_chinese() {
        assert_eq!(words("他爱 Rust语言，[MASK]北京。"), ["他", "爱", "Rust", "语言", "北京"]);
    }

    #[test]
    fn a_dropped_word_takes_its_space_along() {
        fn check(text: &str, word: &str, expected: &str) {
            let split = Split::new(text, &[]);
            let is_dropped = |index: usize| split.word(index) == word;
            assert_eq!(split.without(is_dropped), expected, "{text:?} without {word}");
        }
        check("the old man", "old", "the man");
        check("the old man", "the", "old man");
        check("the old man", "man", "the old");
        check("the old man.", "man", "the old.");
        check("the  old\tman ", "old", "the\tman ");
        check("(old man), he", "old", "(man), he");
        check("(old man), he", "man", "(old), he");
        check("said \"old\" man", "old", "said \"\" man");
        check("one\ntwo\nthree", "two", "one\nthree");
        check("one two\nthree", "two", "one\nthree");
        check("one\ntwo three", "two", "one\nthree");
        check("一个[MASK]one", "one", "一个[MASK]");
        check("a - b c", "b", "a - c");
    }
}
