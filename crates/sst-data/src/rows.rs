//! How documents become rows: one each, several each, or a stream cut into full rows.

mod groups;
mod pieces;
mod segment_pairs;
mod segments;
mod selected;
mod walk;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::example::{Example, Field, Key};
use crate::ledger::Ledger;
use crate::rng::SeqRng;
use crate::setting::{self, NamesSettings, Setting};
use crate::store::{Store, StoreError};
use crate::tokenize::SpecialTokenTemplate;
pub use groups::{GroupRows, group_fields};
pub use segment_pairs::{PAIR_LABEL, SegmentPairRows, SegmentPairs};
pub use selected::{SelectedRows, balanced};
use walk::Walk;

/// Why a data set cannot be built or a row cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DatasetError {
    /// There is no such row.
    #[error("row {index} was asked for, but the data set has {len}")]
    OutOfRange {
        /// The row.
        index: u64,
        /// The number of rows.
        len: u64,
    },
    /// `max_length` leaves no room for a token of text beside the special tokens.
    #[error(
        "`max_length` is {max_length}, but the tokenizer's special tokens alone take {num_special}: \
         raise it to {least} or more",
        least = num_special + 1
    )]
    NoRoom {
        /// Tokens in a row at most.
        max_length: usize,
        /// Special tokens in each row.
        num_special: usize,
    },
    /// The length of a piece leaves no room for a token of text beside the special tokens.
    #[error(
        "rows are to be split into pieces of {max_length} tokens, but the tokenizer's special tokens \
         alone take {num_special}: raise `from` of the length warm-up to {least} or more",
        least = num_special + 1
    )]
    NoRoomInPiece {
        /// Tokens in a piece at most.
        max_length: usize,
        /// Special tokens in each piece.
        num_special: usize,
    },
    /// The fraction of documents in validation is not in `[0, 1)`.
    #[error("`fraction` is {0}: it must be at least 0 and below 1")]
    BadFraction(f64),
    /// The number of documents is not a multiple of the group size.
    #[error(
        "{documents} documents cannot be divided into groups of {size}: prepare the data again"
    )]
    NoGroups {
        /// The number of documents in the store.
        documents: u64,
        /// The number of texts in a row.
        size: usize,
    },
    /// No room for two segments beside the special tokens of a pair.
    #[error(
        "`max_length` is {max_length}, but the special tokens of a pair alone take {special}: raise it to {least} or \
         more",
        least = special + 2
    )]
    NoRoomForPair {
        /// Tokens in a row at most.
        max_length: usize,
        /// Special tokens in each row.
        special: usize,
    },
    /// A probability that is not in `[0, 1]`.
    #[error("{name} is {share}: it must be from 0 to 1")]
    BadShare {
        /// The setting.
        name: &'static str,
        /// Its value.
        share: f64,
    },
    /// The second segment is drawn from another document, but there is only one.
    #[error(
        "a segment of another document is to follow, but there is only one document, which begins at {0}: give more \
         documents, such as one a line or one a paragraph"
    )]
    NoOtherDocument(Key),
    /// The row is longer than a piece may be, but this kind of data set cannot split rows.
    #[error("{0}: a row of this kind of data cannot be split: remove the length warm-up")]
    CannotSplit(Key),
    /// The pieces of the row cannot be numbered.
    #[error(
        "{0}: the row has too many pieces, or too many rows stand before it: raise `from` of the length warm-up, or \
         remove the warm-up"
    )]
    TooManyPieces(Key),
    /// The prepared tokens cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The row cannot be read or built.
    #[error("{key}: {reason}")]
    Unreadable {
        /// The row.
        key: Key,
        /// What is wrong and what to do.
        reason: String,
    },
}

impl NamesSettings for DatasetError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::NoRoom { .. } | Self::NoRoomForPair { .. } => vec![setting::MAX_LENGTH],
            Self::NoRoomInPiece { .. } => vec![setting::LENGTH_RAMP_FROM],
            Self::BadFraction(_) => vec![setting::FRACTION],
            Self::CannotSplit(_) => vec![setting::LENGTH_WARM_UP],
            Self::TooManyPieces(_) => vec![setting::LENGTH_RAMP_FROM, setting::LENGTH_WARM_UP],
            Self::OutOfRange { .. }
            | Self::NoGroups { .. }
            | Self::BadShare { .. }
            | Self::NoOtherDocument(_)
            | Self::Store(_)
            | Self::Unreadable { .. } => Vec::new(),
        }
    }
}

/// The tokens of a row of at most `max_length` tokens beside those of `template`.
///
/// # Errors
/// [`DatasetError::NoRoom`] if there are none.
pub fn room(template: &SpecialTokenTemplate, max_length: usize) -> Result<usize, DatasetError> {
    let num_special = template.prefix.len() + template.suffix.len();
    match max_length.checked_sub(num_special).filter(|room| *room > 0) {
        Some(room) => Ok(room),
        None => Err(DatasetError::NoRoom { max_length, num_special }),
    }
}

/// Indexed access to examples. Pure: the same (index, epoch) gives the same example.
pub trait Dataset: Send + Sync {
    /// The number of rows.
    fn len(&self) -> u64;

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of tokens of a row, special tokens included, without building it; 0 if there is
    /// no such row.
    fn row_length(&self, index: u64) -> usize;

    /// Row `index` as drawn in `epoch`.
    ///
    /// # Errors
    /// If there is no such row or it cannot be read.
    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError>;

    /// Row `index` as drawn in `epoch`, split into pieces of at most `max_length` tokens, special tokens
    /// included. The pieces are in order and together hold every token of the row. Each has an `index`
    /// that no other example has, so that it gets random draws of its own. A row that is short enough is
    /// returned whole, as the only piece.
    ///
    /// # Errors
    /// Those of [`Dataset::get`]; or if the row is too long and this kind of data set cannot split
    /// rows, or has no room in a piece.
    fn pieces(
        &self,
        index: u64,
        epoch: u64,
        max_length: usize,
    ) -> Result<Vec<Example>, DatasetError> {
        if self.row_length(index) <= max_length {
            return Ok(vec![self.get(index, epoch)?]);
        }
        Err(DatasetError::CannotSplit(self.key(index)))
    }

    /// The score that the files give for row `index`, such as its difficulty; `None` if they give none.
    fn score(&self, _index: u64) -> Option<f32> {
        None
    }

    /// The file and line at which row `index` begins; `?` if there is no such row.
    fn key(&self, index: u64) -> Key;
}

/// How documents become rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RowMode {
    /// Each document is one row. Tokens that do not fit are cut off and counted in the ledger.
    Document,
    /// A long document is split into several rows. No token is lost.
    Chunk,
    /// Documents are concatenated and cut into full rows. The last row may be shorter and is kept.
    Stream,
}

/// Which documents a data set uses. Whether a document is in the validation set is drawn from its index
/// alone, so the split is the same for every seed, row mode and length.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Subset {
    /// Every document.
    All,
    /// The documents outside the validation set.
    Train {
        /// The expected part of documents in validation, in `[0, 1)`.
        fraction: f64,
    },
    /// The documents of the validation set.
    Validation {
        /// The expected part of documents in validation, in `[0, 1)`.
        fraction: f64,
    },
}

impl Subset {
    /// Whether document `index` belongs to it.
    pub fn contains(self, index: u64) -> bool {
        // The draw is skipped at a fraction of 0: for millions of documents it takes about a second.
        let drawn = |fraction| {
            fraction > 0.0 && SeqRng::new(0, "rows.validation", 0, index).chance(fraction)
        };
        match self {
            Self::All => true,
            Self::Train { fraction } => !drawn(fraction),
            Self::Validation { fraction } => drawn(fraction),
        }
    }

    /// Whether every document belongs to it, so that no list of them is needed.
    fn is_whole(self) -> bool {
        matches!(self, Self::All | Self::Train { fraction: 0.0 })
    }

    fn check(self) -> Result<(), DatasetError> {
        match self {
            Self::Train { fraction } | Self::Validation { fraction }
                if !(0.0..1.0).contains(&fraction) =>
            {
                Err(DatasetError::BadFraction(fraction))
            }
            _ => Ok(()),
        }
    }
}

/// Rows over a token [`Store`]. Each example has one field, `input_ids`: the template's prefix, the row's
/// tokens, and the template's suffix. If the template has an end-of-document token, that token follows the
/// last token of every document.
#[derive(Debug, Clone)]
pub struct TokenRows {
    store: Arc<Store>,
    /// The documents, or `None` for all of them.
    documents: Option<Vec<u64>>,
    mode: RowMode,
    walk: Walk,
    template: SpecialTokenTemplate,
    /// `starts[i]` is the number of rows (Chunk) or tokens (Stream) before document `i`; the last entry is
    /// the total. Empty in Document mode, where row `i` is document `i`.
    starts: Vec<u64>,
    len: u64,
}

/// Consecutive tokens of one document: (document, first token, number of tokens).
type Span = (u64, usize, usize);

impl TokenRows {
    /// Rows of at most `max_length` tokens, special tokens included.
    ///
    /// In Document mode, the documents and tokens that will be cut off are counted in `ledger` here, once,
    /// as `rows.truncated_documents` and `rows.truncated_tokens`.
    ///
    /// # Errors
    /// If `max_length` leaves no room beside the special tokens, the fraction is not in `[0, 1)`, or the store cannot be read.
    pub fn new(
        store: Arc<Store>,
        subset: Subset,
        mode: RowMode,
        max_length: usize,
        template: SpecialTokenTemplate,
        ledger: &Ledger,
    ) -> Result<Self, DatasetError> {
        let walk = Walk::new(subset, mode, max_length, &template)?;
        let mut documents = (!subset.is_whole()).then(Vec::new);
        let mut starts = Vec::new();
        if mode != RowMode::Document {
            starts.push(0);
        }
        let len = walk.run(&store, ledger, |document, total| {
            if let Some(documents) = &mut documents {
                documents.push(document);
            }
            if mode != RowMode::Document {
                starts.push(total);
            }
        })?;
        Ok(Self { store, documents, mode, walk, template, starts, len })
    }

    /// The number of rows that [`TokenRows::new`] would make, with the same entries in `ledger`. The store's index
    /// is read once and not kept, so memory does not grow with the number of documents.
    ///
    /// # Errors
    /// As for [`TokenRows::new`].
    pub fn count(
        store: &Store,
        subset: Subset,
        mode: RowMode,
        max_length: usize,
        template: &SpecialTokenTemplate,
        ledger: &Ledger,
    ) -> Result<u64, DatasetError> {
        Walk::new(subset, mode, max_length, template)?.run(store, ledger, |_, _| ())
    }

    /// The number of tokens in all rows, without special tokens and without the tokens that are cut off.
    pub fn num_tokens(&self) -> u64 {
        let num_special = self.template.prefix.len() + self.template.suffix.len();
        (0..self.len).map(|i| (self.row_length(i) - num_special) as u64).sum()
    }

    /// The number of tokens of a document, with its end-of-document token.
    fn length(&self, document: u64) -> usize {
        self.walk.with_end(self.store.len_of(document) as u64) as usize
    }

    fn document(&self, place: u64) -> u64 {
        self.documents.as_ref().map_or(place, |documents| documents[place as usize])
    }

    /// The index in `starts` of the document that holds row (Chunk) or token (Stream) `at`. Documents without
    /// tokens are skipped, because their start equals the start of the next document.
    fn place_of(&self, at: u64) -> usize {
        self.starts.partition_point(|start| *start <= at) - 1
    }

    /// Calls `visit` with the spans of row `index`, in order.
    fn spans(&self, index: u64, mut visit: impl FnMut(Span)) {
        if index >= self.len {
            return;
        }
        match self.mode {
            RowMode::Document => {
                let document = self.document(index);
                visit((document, 0, self.length(document).min(self.walk.capacity)));
            }
            RowMode::Chunk => {
                let place = self.place_of(index);
                let document = self.document(place as u64);
                let first = (index - self.starts[place]) as usize * self.walk.capacity;
                visit((document, first, (self.length(document) - first).min(self.walk.capacity)));
            }
            RowMode::Stream => {
                let mut at = index * self.walk.capacity as u64;
                let end = (at + self.walk.capacity as u64).min(self.starts[self.starts.len() - 1]);
                let mut place = self.place_of(at);
                while at < end {
                    let stop = self.starts[place + 1].min(end);
                    let first = (at - self.starts[place]) as usize;
                    if stop > at {
                        visit((self.document(place as u64), first, (stop - at) as usize));
                    }
                    at = stop;
                    place += 1;
                }
            }
        }
    }
}

impl Dataset for TokenRows {
    fn len(&self) -> u64 {
        self.len
    }

    fn row_length(&self, index: u64) -> usize {
        if index >= self.len {
            return 0;
        }
        let mut length = self.template.prefix.len() + self.template.suffix.len();
        self.spans(index, |(_, _, count)| length += count);
        length
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        if index >= self.len {
            return Err(DatasetError::OutOfRange { index, len: self.len });
        }
        let mut ids = Vec::with_capacity(self.row_length(index));
        ids.extend_from_slice(&self.template.prefix);
        self.store.check_unchanged()?;
        let mut read = Ok(());
        self.spans(index, |(document, first, count)| {
            if read.is_ok() {
                let of_text = count.min(self.store.len_of(document).saturating_sub(first));
                read = self.store.append_to(&mut ids, document, first, of_text);
                ids.extend(self.template.end.filter(|_| of_text < count));
            }
        });
        read?;
        ids.extend_from_slice(&self.template.suffix);
        let example = Example::new(self.key(index), index, "input_ids", Field::Tokens(ids));
        Ok(Example { epoch, ..example })
    }

    fn pieces(
        &self,
        index: u64,
        epoch: u64,
        max_length: usize,
    ) -> Result<Vec<Example>, DatasetError> {
        pieces::split(self.get(index, epoch)?, &self.template, max_length)
    }

    /// The mean score of the documents that the row holds tokens of. Each document counts once, however many
    /// of its tokens are in the row.
    fn score(&self, index: u64) -> Option<f32> {
        let (mut sum, mut count) = (0.0, 0);
        self.spans(index, |(document, _, _)| {
            if let Some(score) = self.store.score(document) {
                (sum, count) = (sum + f64::from(score), count + 1);
            }
        });
        (count > 0).then(|| (sum / f64::from(count)) as f32)
    }

    fn key(&self, index: u64) -> Key {
        let mut first = None;
        self.spans(index, |(document, _, _)| first = first.or(Some(document)));
        first.map_or_else(|| Key::new("?", 0), |document| self.store.key(document))
    }
}
