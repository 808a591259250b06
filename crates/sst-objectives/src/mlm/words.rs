//! Which tokens of a row belong together, and which words of the text they spell.
//!
//! Words come from the text that the tokens of a row spell, and not from where the tokenizer splits it: WordPiece,
//! byte-level BPE and Unigram find the same ones. A word is known by what it spells and by how often it stood in the
//! row before, so that a choice of words does not depend on the tokenizer either.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use sst_data::rng::mix64;
use sst_data::tokenize::{Spelled, Spellings, Tokenizer};
use sst_data::words::{spelling_key, word_ranges};

use crate::setting;

/// Rows of at least so many tokens are looked at for whether they are one word as a whole.
const LONG_ROW: usize = 8;
/// Rows seen before a warning.
const SEEN_ROWS: u64 = 64;

/// Tokens that are masked together: those of one word, or of several words where a token is of both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Group {
    /// Positions in the row.
    pub(super) tokens: Range<usize>,
    /// The number, among the words of the row, of the first word in it; `None` if it is white space.
    pub(super) word: Option<usize>,
}

/// The words of a row.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct RowWords {
    /// For each word, in order, what it is known by: the hash of its spelling and of how often that stood before.
    pub(super) keys: Vec<u64>,
    /// Every ordinary token is in one of them.
    pub(super) groups: Vec<Group>,
}

/// Groups the ordinary tokens of a row into words.
#[derive(Debug)]
pub(super) struct WordGrouper {
    spellings: Spellings,
    rows: AtomicU64,
    /// Rows that are one group as a whole.
    single: AtomicU64,
}

impl WordGrouper {
    pub(super) fn new(tokenizer: &Tokenizer) -> Self {
        let spellings = tokenizer.spellings();
        Self { spellings, rows: AtomicU64::new(0), single: AtomicU64::new(0) }
    }

    /// Whether `id` is a special token; an id outside the vocabulary counts as one.
    pub(super) fn is_special(&self, id: u32) -> bool {
        self.spellings.is_special(id)
    }

    /// The words of a row.
    pub(super) fn words(&self, ids: &[u32]) -> RowWords {
        let mut row = RowWords::default();
        let mut seen: HashMap<u64, u64> = HashMap::new();
        for run in self.spellings.spell(ids) {
            let words = words_of(&run.bytes);
            let first = row.keys.len();
            for word in &words {
                let key = match std::str::from_utf8(&run.bytes[word.clone()]) {
                    Ok(text) => spelling_key(text),
                    Err(_) => 0,
                };
                let times = seen.entry(key).or_insert(0);
                row.keys.push(mix64(key ^ mix64(*times)));
                *times += 1;
            }
            group(&run, &words, first, &mut row.groups);
        }
        self.look_at(&row);
        row
    }

    /// Warns once if most long rows are one group: nothing or all of such a row is masked.
    fn look_at(&self, row: &RowWords) {
        let num_tokens: usize = row.groups.iter().map(|group| group.tokens.len()).sum();
        if num_tokens < LONG_ROW {
            return;
        }
        let rows = self.rows.fetch_add(1, Ordering::Relaxed) + 1;
        let is_single = u64::from(row.groups.len() == 1);
        let single = self.single.fetch_add(is_single, Ordering::Relaxed) + is_single;
        if rows == SEEN_ROWS && most_are_single(rows, single) {
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

/// The words of bytes that are UTF-8 but at their ends; what is cut off of a character is a word.
fn words_of(bytes: &[u8]) -> Vec<Range<usize>> {
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

/// Adds the groups of `run`. Two neighbours are of one group if a word lies on both sides of their border, or if there
/// is nothing but white space in the first of them: that goes with the word after it.
fn group(run: &Spelled, words: &[Range<usize>], first_word: usize, groups: &mut Vec<Group>) {
    let first_group = groups.len();
    // The next word to begin, and the number of the first word of the open group.
    let mut next = 0;
    let (mut start, mut group_word) = (0, 0);
    for (at, end) in run.ends.iter().enumerate() {
        while words.get(next).is_some_and(|word| word.start < *end) {
            next += 1;
        }
        let cut = next > 0 && words[next - 1].end > *end;
        let has_word = next > group_word;
        let is_last = at + 1 == run.ends.len();
        if cut || (!has_word && !is_last) {
            continue;
        }
        let tokens = run.start + start..run.start + at + 1;
        start = at + 1;
        // White space at the end of a run goes with the word before it.
        match groups[first_group..].last_mut().filter(|_| !has_word) {
            Some(last) => last.tokens.end = tokens.end,
            None => {
                groups.push(Group { tokens, word: has_word.then_some(first_word + group_word) })
            }
        }
        group_word = next;
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
        group(&run, &words_of(&run.bytes), 10, &mut groups);
        groups.into_iter().map(|group| (group.tokens, group.word)).collect()
    }

    #[test]
    fn tokens_of_a_word_are_together() {
        let one = |at: usize, word| (at..at + 1, Some(word));
        assert_eq!(groups(&["the", " cat"]), [one(1, 10), one(2, 11)]);
        assert_eq!(groups(&["un", "able", ",", " x"]), [(1..3, Some(10)), one(3, 11), one(4, 12)]);
        // One token of two words, then one that ends the second.
        assert_eq!(groups(&["a b", "c", " d"]), [(1..3, Some(10)), one(3, 12)]);
        assert_eq!(groups(&["a b", " c"]), [one(1, 10), one(2, 12)]);
        assert_eq!(groups(&[]), []);
    }

    #[test]
    fn white_space_goes_with_the_next_word_or_the_last() {
        assert_eq!(groups(&[" ", "cat", "\n", "\n", "x"]), [(1..3, Some(10)), (3..6, Some(11))]);
        assert_eq!(groups(&["cat", "\n", ""]), [(1..4, Some(10))]);
        assert_eq!(groups(&[" ", "\n"]), [(1..3, None)]);
    }

    #[test]
    fn bytes_of_one_character_are_together() {
        let mut run = Spelled::default();
        // The end of one character, an emoji in four tokens, the start of another.
        for byte in [b"\x80".as_slice(), b"\xf0", b"\x9f", b"\x99", b"\x82", b"\xe4\xb8"] {
            run.bytes.extend_from_slice(byte);
            run.ends.push(run.bytes.len());
        }
        let mut groups = Vec::new();
        group(&run, &words_of(&run.bytes), 0, &mut groups);
        let tokens: Vec<_> = groups.iter().map(|group| group.tokens.clone()).collect();
        assert_eq!(tokens, [0..1, 1..5, 5..6]);
    }

    #[test]
    fn rows_of_one_word_are_noticed() {
        assert!(most_are_single(64, 33) && !most_are_single(64, 32));
    }
}
