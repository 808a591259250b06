//! Groups the tokens of a row into words.
//!
//! The tokens are decoded to text, and words are found in the text, not at the tokenizer's own boundaries. So the words
//! are the same with WordPiece, byte-level BPE and Unigram. The key of a word is a hash of its spelling and of the number
//! of times that the spelling occurred earlier in the row. Words are selected by their keys, so that the selection does
//! not depend on the tokenizer either.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use sst_data::rng::mix64;
use sst_data::tokenize::{Spelled, Spellings, Tokenizer};
use sst_data::words::{spelling_key, word_ranges};

use crate::setting;

/// Rows with at least this many tokens count for the warning about rows that are a single word.
const LONG_ROW: usize = 8;
/// The number of long rows that are counted before the warning is given.
const COUNTED_ROWS: u64 = 64;

/// Tokens that are masked together: the tokens of one word, or of several words if one token spells parts of each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Positions in the row.
    pub(super) tokens: Range<usize>,
    /// The index in [`RowWords::keys`] of the first word of the group; `None` if the group is only white space.
    pub(super) word: Option<usize>,
}

/// The words of a row.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct RowWords {
    /// The keys of the words in order: the hash of the spelling and of the number of its earlier occurrences in the row.
    pub(super) keys: Vec<u64>,
    /// Each ordinary token is in exactly one group.
    pub(super) groups: Vec<Group>,
}

/// Groups the ordinary tokens of a row into words.
#[derive(Debug)]
pub(super) struct WordGrouper {
    spellings: Spellings,
    /// The number of long rows so far.
    long_rows: AtomicU64,
    /// The number of long rows that are a single group.
    single_group_rows: AtomicU64,
}

impl WordGrouper {
    pub(super) fn new(tokenizer: &Tokenizer) -> Self {
        let spellings = tokenizer.spellings();
        Self { spellings, long_rows: AtomicU64::new(0), single_group_rows: AtomicU64::new(0) }
    }

    /// Whether `id` is a special token or outside the vocabulary.
    pub(super) fn is_special(&self, id: u32) -> bool {
        self.spellings.is_special(id)
    }

    /// The words of a row.
    pub(super) fn words(&self, ids: &[u32]) -> RowWords {
        let mut row = RowWords::default();
        let mut occurrences: HashMap<u64, u64> = HashMap::new();
        for run in self.spellings.spell(ids) {
            let words = words_in(&run.bytes);
            let first_word = row.keys.len();
            for word in &words {
                let key = match std::str::from_utf8(&run.bytes[word.clone()]) {
                    Ok(text) => spelling_key(text),
                    Err(_) => 0,
                };
                let earlier = occurrences.entry(key).or_insert(0);
                row.keys.push(mix64(key ^ mix64(*earlier)));
                *earlier += 1;
            }
            add_groups(&run, &words, first_word, &mut row.groups);
        }
        self.warn_if_rows_are_single_words(&row);
        row
    }

    /// Warns once if most long rows are a single group. Such a row would be masked entirely or not at all.
    fn warn_if_rows_are_single_words(&self, row: &RowWords) {
        let num_tokens: usize = row.groups.iter().map(|group| group.tokens.len()).sum();
        if num_tokens < LONG_ROW {
            return;
        }
        let rows = self.long_rows.fetch_add(1, Ordering::Relaxed) + 1;
        let is_single = u64::from(row.groups.len() == 1);
        let single = self.single_group_rows.fetch_add(is_single, Ordering::Relaxed) + is_single;
        if rows == COUNTED_ROWS && most_are_single(rows, single) {
            tracing::warn!(
                setting = setting::UNIT.path(),
                "{single} of the first {rows} rows are one word as a whole, so all of such a row is masked or nothing: \
                 set `unit` to token"
            );
        }
    }
}

fn most_are_single(rows: u64, single: u64) -> bool {
    single * 2 > rows
}

/// The byte ranges of the words in `bytes`. The bytes are UTF-8, except that a character may be cut off at either end;
/// the bytes of such a part count as one word.
fn words_in(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut start = 0;
    for chunk in bytes.utf8_chunks() {
        let valid = word_ranges(chunk.valid());
        words.extend(valid.into_iter().map(|word| start + word.start..start + word.end));
        start += chunk.valid().len();
        if !chunk.invalid().is_empty() {
            words.push(start..start + chunk.invalid().len());
            start += chunk.invalid().len();
        }
    }
    words
}

/// Adds the groups of the tokens of `run`, whose words have the indices `first_word..` in the row. Two neighbouring
/// tokens are in one group if a word crosses their boundary. White space joins the group of the word after it, or at the
/// end of the run the group of the word before it.
fn add_groups(run: &Spelled, words: &[Range<usize>], first_word: usize, groups: &mut Vec<Group>) {
    let first_group = groups.len();
    // The number of words that have begun so far.
    let mut begun = 0;
    // The first token and the first word of the group that is not complete yet.
    let (mut group_start, mut group_word) = (0, 0);
    for (at, end) in run.ends.iter().enumerate() {
        while words.get(begun).is_some_and(|word| word.start < *end) {
            begun += 1;
        }
        let splits_word = begun > 0 && words[begun - 1].end > *end;
        let has_word = begun > group_word;
        let is_last = at + 1 == run.ends.len();
        if splits_word || (!has_word && !is_last) {
            continue;
        }
        let tokens = run.start + group_start..run.start + at + 1;
        group_start = at + 1;
        match groups[first_group..].last_mut().filter(|_| !has_word) {
            Some(last) => last.tokens.end = tokens.end,
            None => {
                groups.push(Group { tokens, word: has_word.then_some(first_word + group_word) })
            }
        }
        group_word = begun;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn groups(pieces: &[&str]) -> Vec<(Range<usize>, Option<usize>)> {
        let mut run = Spelled { start: 1, ..Spelled::default() };
        for piece in pieces {
            run.bytes.extend_from_slice(piece.as_bytes());
            run.ends.push(run.bytes.len());
        }
        let mut groups = Vec::new();
        add_groups(&run, &words_in(&run.bytes), 10, &mut groups);
        groups.into_iter().map(|group| (group.tokens, group.word)).collect()
    }

    #[test]
    fn tokens_of_a_word_are_one_group() {
        let single = |at: usize, word| (at..at + 1, Some(word));
        assert_eq!(groups(&["the", " cat"]), [single(1, 10), single(2, 11)]);
        assert_eq!(
            groups(&["un", "able", ",", " x"]),
            [(1..3, Some(10)), single(3, 11), single(4, 12)]
        );
        // The first token holds two words, and the second token completes the second word.
        assert_eq!(groups(&["a b", "c", " d"]), [(1..3, Some(10)), single(3, 12)]);
        assert_eq!(groups(&["a b", " c"]), [single(1, 10), single(2, 12)]);
        assert_eq!(groups(&[]), []);
    }

    #[test]
    fn white_space_joins_the_next_word_or_at_the_end_the_last_word() {
        assert_eq!(groups(&[" ", "cat", "\n", "\n", "x"]), [(1..3, Some(10)), (3..6, Some(11))]);
        assert_eq!(groups(&["cat", "\n", ""]), [(1..4, Some(10))]);
        assert_eq!(groups(&[" ", "\n"]), [(1..3, None)]);
    }

    #[test]
    fn byte_tokens_of_one_character_are_one_group() {
        let mut run = Spelled::default();
        // The last byte of a character, an emoji in four tokens, the first bytes of another character.
        for byte in [b"\x80".as_slice(), b"\xf0", b"\x9f", b"\x99", b"\x82", b"\xe4\xb8"] {
            run.bytes.extend_from_slice(byte);
            run.ends.push(run.bytes.len());
        }
        let mut groups = Vec::new();
        add_groups(&run, &words_in(&run.bytes), 0, &mut groups);
        let tokens: Vec<_> = groups.iter().map(|group| group.tokens.clone()).collect();
        assert_eq!(tokens, [0..1, 1..5, 5..6]);
    }

    #[test]
    fn the_warning_needs_more_than_half_of_the_rows_to_be_single_words() {
        assert!(most_are_single(64, 33) && !most_are_single(64, 32));
    }
}
