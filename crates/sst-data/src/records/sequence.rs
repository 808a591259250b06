//! Makes token sequences of the texts of a record: one text each, or a pair.

use std::sync::Arc;

use super::{Column, ColumnKind, RecordsError};
use crate::rows::group_fields;
use crate::tokenize::{PairTemplate, SpecialTokenTemplate, TruncationSide, longest_first};

/// A sequence of a record, of one text or two.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    /// The field of its token ids.
    pub(super) ids: Arc<str>,
    /// The field of its token types, if it has two texts.
    pub(super) types: Arc<str>,
    /// The column of its first text, and that of its second text.
    pub(super) first: usize,
    pub(super) second: Option<usize>,
}

/// The tokens of a text that a sequence holds, and their position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// The first token, and the position after the last one.
    pub(super) range: (usize, usize),
    /// The position of the first token in the sequence.
    pub(super) at: usize,
}

impl Kept {
    /// The number of tokens.
    pub(super) fn len(self) -> usize {
        self.range.1 - self.range.0
    }

    /// These tokens of a text; `None` if it has fewer tokens.
    pub(super) fn of(self, ids: &[u32]) -> Option<&[u32]> {
        ids.get(self.range.0..self.range.1)
    }
}

/// The sequences of the columns, in the order of their first texts.
pub(super) fn sequences(columns: &[Column]) -> Vec<Sequence> {
    let firsts: Vec<usize> =
        (0..columns.len()).filter(|at| columns[*at].kind == ColumnKind::Text).collect();
    let fields = group_fields(firsts.len());
    let sequence = |(first, ids): (usize, String)| {
        let kind = ColumnKind::SecondText { first: columns[first].name.clone() };
        let second = columns.iter().position(|column| column.kind == kind);
        let types = ids.replace("input_ids", "token_type_ids").into();
        Sequence { ids: ids.into(), types, first, second }
    };
    firsts.into_iter().zip(fields).map(sequence).collect()
}

/// The special tokens of a sequence, and its maximal length.
#[derive(Debug, Clone)]
pub(super) struct Framing {
    template: SpecialTokenTemplate,
    pair: Option<PairTemplate>,
    max_length: usize,
    side: TruncationSide,
}

impl Framing {
    pub(super) fn new(
        template: SpecialTokenTemplate,
        pair: Option<PairTemplate>,
        max_length: usize,
        side: TruncationSide,
        sequences: &[Sequence],
    ) -> Result<Self, RecordsError> {
        let framing = Self { template, pair, max_length, side };
        for sequence in sequences {
            let (special, texts) =
                (framing.num_special(sequence), 1 + usize::from(sequence.second.is_some()));
            if max_length < special + texts {
                return Err(RecordsError::NoRoom { max_length, special, least: special + texts });
            }
        }
        Ok(framing)
    }

    /// The special tokens of a sequence.
    pub(super) fn num_special(&self, sequence: &Sequence) -> usize {
        match (&self.pair, sequence.second) {
            (Some(pair), Some(_)) => pair.num_special(),
            _ => self.template.prefix.len() + self.template.suffix.len(),
        }
    }

    /// The numbers of tokens that are kept of the texts of a sequence, which have `first` and `second` tokens.
    fn lengths(&self, sequence: &Sequence, first: usize, second: usize) -> (usize, usize) {
        let room = self.room(sequence);
        match sequence.second {
            Some(_) => longest_first(first, second, room),
            None => (first.min(room), 0),
        }
    }

    /// The tokens of the texts of a sequence that are kept if they have `first` and `second` tokens, and their positions in
    /// the sequence.
    pub(super) fn kept(&self, sequence: &Sequence, first: usize, second: usize) -> (Kept, Kept) {
        let (of_first, of_second) = self.lengths(sequence, first, second);
        let range = |kept: usize, all: usize| match self.side {
            TruncationSide::Left => (all - kept, all),
            TruncationSide::Right => (0, kept),
        };
        self.place(sequence, range(of_first, first), range(of_second, second))
    }

    /// The positions in a sequence of these tokens of its texts.
    pub(super) fn place(
        &self,
        sequence: &Sequence,
        first: (usize, usize),
        second: (usize, usize),
    ) -> (Kept, Kept) {
        let (prefix, middle) = match (&self.pair, sequence.second) {
            (Some(pair), Some(_)) => (pair.prefix.len(), pair.middle.len()),
            _ => (self.template.prefix.len(), 0),
        };
        let at = prefix + (first.1 - first.0) + middle;
        (Kept { range: first, at: prefix }, Kept { range: second, at })
    }

    /// The number of tokens of the texts of a sequence that fit into it.
    pub(super) fn room(&self, sequence: &Sequence) -> usize {
        // [`Framing::new`] has made sure that there is room.
        self.max_length - self.num_special(sequence)
    }

    /// The most tokens of a sequence, special tokens included.
    pub(super) fn max_length(&self) -> usize {
        self.max_length
    }

    /// The token ids of a sequence of these tokens, and its token types if it has two texts.
    pub(super) fn join(
        &self,
        sequence: &Sequence,
        first: &[u32],
        second: &[u32],
    ) -> (Vec<u32>, Option<Vec<u32>>) {
        match (&self.pair, sequence.second) {
            (Some(pair), Some(_)) => {
                let (ids, types) = pair.join(first, second);
                (ids, Some(types))
            }
            _ => ([&self.template.prefix, first, &self.template.suffix].concat(), None),
        }
    }
}
