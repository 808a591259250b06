//! Windows: the parts in which a text is read that is longer than a sequence may be.

use std::ops::Range;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::example::{Example, Span};

/// The field of a window's number, the number of windows of its record, and the first token of the text that it holds.
pub(super) const WINDOW: &str = "window";
/// The field of the place of each token of a window in the text.
pub(super) const TOKEN_OFFSETS: &str = "token_offsets";
/// The field that says which tokens of a window begin a word.
pub(super) const WORD_STARTS: &str = "word_starts";
/// The field of the index of the record.
pub(super) const RECORD: &str = "record";
/// The field of the positions in the sequence: of the first token of the text, of the first token that is scored, and
/// the position after the last token that is scored.
pub(super) const WINDOW_POSITIONS: &str = "window_positions";

/// Which text of records is read in windows. A text that does not fit into one sequence then gives several rows, and
/// no token of it is cut off.
///
/// As in the fast tokenizers of transformers with `return_overflowing_tokens`, every window is filled, the next one
/// begins so that both share `stride` tokens, and the last one may be shorter. A span of up to `stride + 1` tokens is
/// therefore whole in at least one window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WindowSpec {
    /// The column with the text: a single text, or the second text of a pair. The first text of the pair is kept whole
    /// and stands in each window.
    pub text: String,
    /// The number of tokens that a window shares with the next one, which transformers calls `stride` too.
    pub stride: Stride,
}

/// The number of tokens that two windows share. In JSON it is a number, or `"auto"`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stride {
    /// A quarter of the longest sequence.
    #[default]
    Auto,
    /// This number.
    Tokens(usize),
}

impl Stride {
    /// The number of tokens, for sequences of at most `max_length`.
    pub fn tokens(self, max_length: usize) -> usize {
        match self {
            Self::Auto => max_length / 4,
            Self::Tokens(tokens) => tokens,
        }
    }
}

impl From<Option<usize>> for Stride {
    fn from(tokens: Option<usize>) -> Self {
        tokens.map_or(Self::Auto, Self::Tokens)
    }
}

impl Serialize for Stride {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => to.serialize_str("auto"),
            Self::Tokens(tokens) => tokens.serialize(to),
        }
    }
}

impl<'de> Deserialize<'de> for Stride {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Tokens(usize),
            Word(String),
        }
        match Written::deserialize(from) {
            Ok(Written::Tokens(tokens)) => Ok(Self::Tokens(tokens)),
            Ok(Written::Word(word)) if word == "auto" => Ok(Self::Auto),
            _ => Err(D::Error::custom("must be \"auto\" or a number of tokens")),
        }
    }
}

/// What an example says of the window of a text that it holds.
///
/// The examples of [`Records`](super::Records) with a [`WindowSpec`] have it in the fields `window` (three integers),
/// `record` (one), `window_positions` (three), `token_offsets` (spans) and `word_starts` (integers).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextWindow<'a> {
    /// The index of the record in its store, which all windows of a record share.
    pub record: u64,
    /// The number of the window among those of its record, from 0.
    pub number: usize,
    /// The number of windows of the record.
    pub count: usize,
    /// The index of its first token among all tokens of the text.
    pub first_token: usize,
    /// The position of this token in the sequence.
    pub position: usize,
    /// The positions in the sequence of the tokens that are scored in this window. Of the windows that hold a token it
    /// is the one where the smaller of the numbers of tokens before and after it is greatest, the first of several
    /// (the "maximum context" of Devlin et al. 2019, "BERT", in the code for SQuAD). So each token of the text is
    /// scored in one window, and the tokens that a window scores stand side by side.
    pub scored: Range<usize>,
    /// For each token of the window, the characters of the text that it stands for (Unicode code points), without
    /// white space at its edges. A token that is a part of a character has the whole character.
    pub offsets: &'a [Span],
    /// For each token of the window 1 if it begins a word ([`begins_word`](crate::words::begins_word)), 0 if it is a
    /// further token of one, and -1 for white space. They do not depend on where the window begins.
    pub word_starts: &'a [i64],
}

impl<'a> TextWindow<'a> {
    /// The window that `example` holds; `None` if its rows are not windows.
    pub fn of(example: &'a Example) -> Option<Self> {
        let integers = |name: &str| {
            let values = example.ints(name)?.iter().map(|value| usize::try_from(*value).ok());
            values.collect::<Option<Vec<usize>>>()
        };
        let (window, positions) = (integers(WINDOW)?, integers(WINDOW_POSITIONS)?);
        let (&[number, count, first_token], &[position, from, to]) =
            (window.as_slice(), positions.as_slice())
        else {
            return None;
        };
        let record = u64::try_from(example.int(RECORD)?).ok()?;
        let (offsets, word_starts) = (example.spans(TOKEN_OFFSETS)?, example.ints(WORD_STARTS)?);
        let scored = from..to;
        Some(Self { record, number, count, first_token, position, scored, offsets, word_starts })
    }
}

/// The windows of a text of `length` tokens: each has `room` tokens, the last one perhaps fewer, and shares `stride`
/// with the next one. `stride` is less than `room` if there are several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Windows {
    pub(super) length: usize,
    pub(super) room: usize,
    pub(super) stride: usize,
}

impl Windows {
    /// Whether windows can hold the whole text.
    pub(super) fn has_room(self) -> bool {
        self.room > 0 && (self.length <= self.room || self.stride < self.room)
    }

    fn step(self) -> usize {
        self.room.saturating_sub(self.stride).max(1)
    }

    /// The number of windows, which is at least 1.
    pub(super) fn count(self) -> usize {
        1 + self.length.saturating_sub(self.room).div_ceil(self.step())
    }

    /// The first token of window `number` and the position after its last one.
    pub(super) fn range(self, number: usize) -> (usize, usize) {
        let start = number * self.step();
        (start, (start + self.room).min(self.length))
    }

    /// The tokens of the text that window `number` scores.
    pub(super) fn scored(self, number: usize) -> (usize, usize) {
        let from = number.checked_sub(1).map_or(0, |before| self.border(before));
        let is_last = number + 1 == self.count();
        (from, if is_last { self.length } else { self.border(number) })
    }

    /// The first token that the window after `number` scores. In the tokens that both hold, the number of tokens after
    /// one falls in the first window as the number of tokens before it rises in the second one. The second window wins
    /// as soon as its number is greater, which happens in the middle.
    fn border(self, number: usize) -> usize {
        let (_, end) = self.range(number);
        let (start, _) = self.range(number + 1);
        (start + end).div_ceil(2)
    }

    /// Whether the tokens from `start` up to `end` are all in one of the windows.
    pub(super) fn hold(self, start: usize, end: usize) -> bool {
        // Of the windows that begin early enough, the last one ends last.
        let number = (start / self.step()).min(self.count() - 1);
        end <= self.range(number).1
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The window that scores token `token` by the definition.
    fn best(windows: Windows, token: usize) -> usize {
        let context = |number: &usize| {
            let (start, end) = windows.range(*number);
            (start..end).contains(&token).then(|| (token - start).min(end - 1 - token))
        };
        let greatest = (0..windows.count()).filter_map(|number| context(&number)).max().unwrap();
        (0..windows.count()).find(|number| context(number) == Some(greatest)).unwrap()
    }

    #[test]
    fn windows_are_filled_and_the_last_is_shorter() {
        let windows = Windows { length: 10, room: 4, stride: 1 };
        let ranges: Vec<_> = (0..windows.count()).map(|number| windows.range(number)).collect();
        assert_eq!(ranges, [(0, 4), (3, 7), (6, 10)]);
        let scored: Vec<_> = (0..windows.count()).map(|number| windows.scored(number)).collect();
        assert_eq!(scored, [(0, 4), (4, 7), (7, 10)]);
        let whole = Windows { length: 4, room: 4, stride: 9 };
        assert_eq!((whole.count(), whole.range(0), whole.scored(0)), (1, (0, 4), (0, 4)));
        let longer = Windows { length: 5, room: 4, stride: 3 };
        assert_eq!((longer.count(), longer.range(1), longer.scored(1)), (2, (1, 5), (3, 5)));
    }

    proptest! {
        #[test]
        fn each_token_is_scored_where_its_context_is_greatest(
            length in 1_usize..80,
            room in 1_usize..20,
            stride in 0_usize..19,
        ) {
            let windows = Windows { length, room, stride: stride.min(room - 1) };
            let mut all = Vec::new();
            for number in 0..windows.count() {
                let ((start, end), (from, to)) = (windows.range(number), windows.scored(number));
                prop_assert!(start <= from && from < to && to <= end, "{windows:?}, {number}");
                prop_assert!(end - start == room || number + 1 == windows.count());
                for token in from..to {
                    prop_assert_eq!(best(windows, token), number, "{:?}, {}", windows, token);
                    all.push(token);
                }
            }
            prop_assert_eq!(all, (0..length).collect::<Vec<_>>());
        }

        #[test]
        fn a_span_is_whole_in_a_window_where_one_holds_it(
            length in 1_usize..60,
            room in 1_usize..16,
            stride in 0_usize..15,
            bounds in (0_usize..60, 0_usize..60),
        ) {
            let windows = Windows { length, room, stride: stride.min(room - 1) };
            let start = bounds.0.min(length - 1);
            let end = bounds.1.clamp(start + 1, length.max(start + 1));
            let holds = (0..windows.count()).map(|number| windows.range(number));
            let expected = holds.clone().any(|(from, to)| from <= start && end <= to);
            prop_assert_eq!(windows.hold(start, end), expected);
            prop_assert!(expected || end - start > windows.stride + 1);
        }
    }
}
