//! Where the tokens of a text stand in it, in bytes and in characters.

use crate::example::Span;
use crate::words::{begins_word, last_base};

/// The places of the tokens of a text.
#[derive(Debug)]
pub(super) struct TokenPlaces<'a> {
    text: &'a str,
    /// The byte at which each character begins, and the number of bytes.
    starts: Vec<usize>,
    /// The bytes of each token, from the beginning of a character to the end of one, without white space at the edges.
    tokens: Vec<(usize, usize)>,
}

impl<'a> TokenPlaces<'a> {
    /// The places of tokens with these `offsets` in bytes, as a tokenizer gives them. A token of byte-level BPE may have
    /// the space in front of a word, or a part of a character.
    pub(super) fn new(text: &'a str, offsets: &[(usize, usize)]) -> Self {
        let starts = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        let mut places = Self { text, starts, tokens: Vec::with_capacity(offsets.len()) };
        for (start, end) in offsets {
            let token = places.trimmed(*start, *end);
            places.tokens.push(token);
        }
        places
    }

    /// The bytes from `start` to `end`, widened to whole characters and without white space at the edges. White space
    /// alone is left as it is.
    fn trimmed(&self, start: usize, end: usize) -> (usize, usize) {
        let text = self.text;
        let mut start = start.min(text.len());
        let mut end = end.clamp(start, text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let part = &text[start..end];
        let trimmed = part.trim_start();
        match trimmed.is_empty() {
            true => (start, end),
            false => (end - trimmed.len(), start + part.trim_end().len()),
        }
    }

    /// The text.
    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The number of characters of the text.
    pub(super) fn num_characters(&self) -> usize {
        self.starts.len() - 1
    }

    /// The byte at which character `number` begins. The end of the text counts as a character, at which a span may end.
    pub(super) fn byte(&self, number: u64) -> Option<usize> {
        self.starts.get(usize::try_from(number).ok()?).copied()
    }

    /// The tokens that overlap the bytes from `start` up to `end`: the first one, and the position after the last one.
    pub(super) fn overlapping(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let overlaps = |token: &(usize, usize)| token.0 < end && token.1 > start;
        let first = self.tokens.iter().position(overlaps)?;
        let last = self.tokens.iter().rposition(overlaps)?;
        Some((first, last + 1))
    }

    /// The bytes of token `number`.
    pub(super) fn token(&self, number: usize) -> (usize, usize) {
        self.tokens[number]
    }

    /// For each token 1 if it begins a word ([`begins_word`]), 0 if it is a further token of one or a part of a character
    /// that an earlier token has too, and -1 if it stands for white space or nothing.
    pub(super) fn word_starts(&self) -> Vec<i64> {
        let mut end_before = 0;
        let kind = |(start, end): &(usize, usize)| {
            let is_further = *start < end_before;
            end_before = end_before.max(*end);
            match self.text[*start..*end].chars().next() {
                None => -1,
                Some(c) if c.is_whitespace() => -1,
                Some(_) if is_further => 0,
                Some(c) => i64::from(begins_word(last_base(&self.text[..*start]), c)),
            }
        };
        self.tokens.iter().map(kind).collect()
    }

    /// The characters of each token.
    pub(super) fn in_characters(&self) -> Vec<Span> {
        // Every bound is the beginning of a character or the end of the text.
        let character = |byte: usize| self.starts.partition_point(|start| *start < byte);
        let tokens = self.tokens.iter();
        tokens
            .map(|(start, end)| Span {
                start: character(*start),
                end: character(*end),
                label: None,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_whole_characters_and_no_space_at_the_edges() {
        // `in`, ` 巴黎`, then the four bytes of an emoji in two tokens, a space alone, and what lies beyond the text.
        let text = "in 巴黎😀 ";
        let offsets = [(0, 2), (2, 9), (9, 11), (11, 13), (13, 14), (14, 20), (3, 3)];
        let places = TokenPlaces::new(text, &offsets);
        let found: Vec<_> =
            places.in_characters().iter().map(|span| (span.start, span.end)).collect();
        assert_eq!(found, [(0, 2), (3, 5), (5, 6), (5, 6), (6, 7), (7, 7), (3, 3)]);
        assert_eq!((places.num_characters(), places.byte(7), places.byte(8)), (7, Some(14), None));
        assert_eq!(places.word_starts(), [1, 1, 1, 0, -1, -1, -1]);
        let overlapping =
            |start, end| places.overlapping(places.byte(start).unwrap(), places.byte(end).unwrap());
        assert_eq!(overlapping(3, 5), Some((1, 2)));
        assert_eq!(overlapping(2, 3), None, "the space of ` 巴黎`");
        assert_eq!(overlapping(5, 6), Some((2, 4)), "both parts of the emoji");
        assert_eq!(overlapping(4, 6), Some((1, 4)));
    }
}
