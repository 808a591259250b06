//! Rows over a store of records: one row for each record, or one for each window of its text. A row is tokenized when it
//! is requested.

mod count;
mod encoded;
mod example;
mod layout;

use std::sync::Arc;

use super::column::check_transforms;
use super::sequence::{Framing, Kept, Sequence, sequences};
use super::window::{RECORD, TOKEN_OFFSETS, WINDOW, WINDOW_POSITIONS, WORD_STARTS, Windows};
use super::{RecordStore, RecordsError, WindowSpec};
use crate::example::{Example, Key};
use crate::ledger::Ledger;
use crate::read::OnError;
use crate::rows::{Dataset, DatasetError, Subset};
use crate::tokenize::Tokenizer;
use crate::transform::Transforms;
use encoded::EncodedTexts;
use layout::{Row, RowLayout};

/// How long the sequences of records may be, and what is done with longer texts. A number alone stands for truncation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLimits {
    /// The most tokens of a sequence, special tokens included.
    pub max_length: usize,
    /// The text that is read in windows; `None` truncates all texts.
    pub window: Option<WindowSpec>,
    /// What to do with a record whose first text of a pair leaves no room for a window of the second one.
    pub on_error: OnError,
}

impl From<usize> for RowLimits {
    fn from(max_length: usize) -> Self {
        Self { max_length, window: None, on_error: OnError::Fail }
    }
}

/// Rows over a [`RecordStore`], one for each record or, with a [`WindowSpec`], one for each window of its text.
///
/// An example has the token ids of its texts as `input_ids` (`input_ids.1` and so on if there are several sequences),
/// with `token_type_ids` for pairs, and each column under its name, as [`ColumnKind`](super::ColumnKind) describes. Like
/// a document, a record is in the validation set by one draw on its index.
///
/// The windows of a record follow each other in order. Each is a row, with the [`Key`] of the record, all its labels
/// and texts, and what [`TextWindow`](super::TextWindow) describes; also the only window of a short text is. Spans count
/// tokens of the row's own sequence. A span that is not wholly in the window is missing, and of an entity the part
/// inside is kept.
pub struct Records {
    store: Arc<RecordStore>,
    tokenizer: Tokenizer,
    transforms: Transforms,
    sequences: Vec<Sequence>,
    framing: Framing,
    /// The text columns, in their order.
    texts: Vec<usize>,
    windowed: Option<Windowed>,
    layout: RowLayout,
    /// The encoded texts of records that have several windows.
    encoded: EncodedTexts,
}

/// The text that is read in windows.
#[derive(Debug, Clone, Copy)]
struct Windowed {
    /// The index of its sequence.
    sequence: usize,
    /// The index of its column.
    column: usize,
    /// The number of tokens that windows share.
    stride: usize,
}

impl Records {
    /// Makes rows whose sequences have at most `limits.max_length` tokens each. A longer text is read in windows if
    /// `limits.window` names it. Any other is truncated on the side that the tokenizer declares; of a pair, the longer
    /// text is truncated first.
    ///
    /// Truncation is counted in `ledger` here, once, as `rows.truncated_documents` (records) and
    /// `rows.truncated_tokens`, and spans of which a token is cut off as `rows.truncated_spans`. Records with several
    /// windows are counted as `rows.windowed_documents`, their windows as `rows.windows`, spans that are whole in no
    /// window as `rows.spans_in_no_window`, and records that are skipped because there is no room for a window as
    /// `rows.no_room_for_window`. All counts are for the records as they are stored; transforms may make them longer or
    /// shorter.
    ///
    /// # Errors
    /// If the store was prepared with another tokenizer or cannot be read, `max_length` leaves no room beside the
    /// special tokens or for windows, the first text of a pair leaves no room for a window of the second one, the
    /// fraction is not in `[0, 1)`, or a transform is not compatible with the columns or changes a text of a sequence
    /// with windows.
    pub fn new(
        store: Arc<RecordStore>,
        tokenizer: &Tokenizer,
        transforms: Transforms,
        subset: Subset,
        limits: impl Into<RowLimits>,
        ledger: &Ledger,
    ) -> Result<Self, RecordsError> {
        if let Subset::Train { fraction } | Subset::Validation { fraction } = subset
            && !(0.0..1.0).contains(&fraction)
        {
            return Err(RecordsError::BadFraction(fraction));
        }
        if store.tokenizer() != tokenizer.fingerprint() {
            return Err(RecordsError::OtherTokenizer);
        }
        let (limits, columns) = (limits.into(), store.columns());
        check_transforms(&transforms, columns)?;
        let sequences = sequences(columns);
        let has_pairs = sequences.iter().any(|sequence| sequence.second.is_some());
        let pair = has_pairs.then(|| tokenizer.pair_template()).transpose();
        let framing = Framing::new(
            tokenizer.special_token_template().clone(),
            pair.map_err(RecordsError::Pairs)?,
            limits.max_length,
            tokenizer.truncation_side(),
            &sequences,
        )?;
        let texts = (0..columns.len()).filter(|at| columns[*at].is_text()).collect();
        let layout = RowLayout::of_records(subset, store.num_records());
        let tokenizer = tokenizer.clone();
        let (windowed, encoded) = (None, EncodedTexts::default());
        let mut rows = Self {
            store,
            tokenizer,
            transforms,
            sequences,
            framing,
            texts,
            windowed,
            layout,
            encoded,
        };
        if let Some(window) = &limits.window {
            rows.set_windows(window, limits.on_error, ledger)?;
        }
        rows.count_cut(ledger)?;
        Ok(rows)
    }

    /// The store of the records.
    pub fn store(&self) -> &Arc<RecordStore> {
        &self.store
    }

    /// Makes a row of each window of a text.
    fn set_windows(
        &mut self,
        window: &WindowSpec,
        on_error: OnError,
        ledger: &Ledger,
    ) -> Result<(), RecordsError> {
        let windowed = self.windowed(window)?;
        let reserved = [WINDOW, WINDOW_POSITIONS, TOKEN_OFFSETS, WORD_STARTS, RECORD];
        let columns = self.store.columns();
        if let Some(column) = columns.iter().find(|column| reserved.contains(&&*column.name)) {
            let reason = "a field of windows has this name".to_owned();
            return Err(RecordsError::BadColumn { column: column.name.clone(), reason });
        }
        let sequence = &self.sequences[windowed.sequence];
        for (name, changed) in self.transforms.columns() {
            let texts = std::iter::once(sequence.first).chain(sequence.second);
            let mut names = texts.map(|text| &columns[text].name);
            if let Some(text) = names.find(|name| changed.is_empty() || changed.contains(name)) {
                let (transform, text) = (name.to_owned(), text.clone());
                return Err(RecordsError::TransformInWindow { transform, text });
            }
        }
        self.windowed = Some(windowed);
        let counted = self.layout.records().map(|number| {
            let windows = self.windows(windowed, &self.store.text_lengths(number));
            if windows.has_room() {
                return Ok((number, windows.count()));
            }
            let error = self.no_room(windowed, windows, number);
            if on_error == OnError::Fail {
                return Err(error);
            }
            if ledger.count("rows.no_room_for_window") == 0 {
                tracing::warn!("skipped, like all further ones of this kind: {error}");
            }
            ledger.add("rows.no_room_for_window", 1, Some(&self.store.key(number)));
            Ok((number, 0))
        });
        self.layout = RowLayout::of_windows(counted)?;
        Ok(())
    }

    /// The text that `window` names.
    fn windowed(&self, window: &WindowSpec) -> Result<Windowed, RecordsError> {
        let refuse =
            |reason: String| Err(RecordsError::BadWindow { column: window.text.clone(), reason });
        let named = |column: usize| self.store.columns()[column].name == window.text;
        let Some(column) = self.texts.iter().copied().find(|column| named(*column)) else {
            return refuse("it is no column of texts: name one".to_owned());
        };
        let is_last = |sequence: &Sequence| sequence.second.unwrap_or(sequence.first) == column;
        let Some(sequence) = self.sequences.iter().position(is_last) else {
            return refuse("it is the first text of a pair: name the second one".to_owned());
        };
        let of_pair = usize::from(self.sequences[sequence].second.is_some());
        let room = self.framing.room(&self.sequences[sequence]) - of_pair;
        let stride = window.stride.tokens(self.framing.max_length());
        if stride >= room {
            return refuse(format!(
                "windows share {stride} tokens and have room for {room} at most: lower the stride, or raise the longest \
                 length"
            ));
        }
        Ok(Windowed { sequence, column, stride })
    }

    fn no_room(&self, windowed: Windowed, windows: Windows, number: u64) -> RecordsError {
        let (columns, sequence) = (self.store.columns(), &self.sequences[windowed.sequence]);
        let (tokens, _) = self.text_lengths(sequence, &self.store.text_lengths(number));
        let num_special = self.framing.num_special(sequence);
        RecordsError::NoRoomForWindow {
            key: self.store.key(number),
            first: columns[sequence.first].name.clone().into(),
            tokens,
            text: columns[windowed.column].name.clone().into(),
            room: windows.room,
            max_length: self.framing.max_length(),
            stride: windows.stride,
            least: num_special + tokens + windows.length.min(windows.stride + 1),
        }
    }

    /// The windows of the text of a record whose texts have `lengths` tokens.
    fn windows(&self, windowed: Windowed, lengths: &[usize]) -> Windows {
        let sequence = &self.sequences[windowed.sequence];
        let (first, second) = self.text_lengths(sequence, lengths);
        self.windows_of(windowed, first, second)
    }

    /// The windows of a sequence whose texts have `first` and `second` tokens.
    fn windows_of(&self, windowed: Windowed, first: usize, second: usize) -> Windows {
        let sequence = &self.sequences[windowed.sequence];
        let (before, length) = match sequence.second {
            Some(_) => (first, second),
            None => (0, first),
        };
        let room = self.framing.room(sequence).saturating_sub(before);
        Windows { length, room, stride: windowed.stride }
    }

    /// The token counts of the two texts of a sequence, from those of all texts of a record.
    fn text_lengths(&self, sequence: &Sequence, lengths: &[usize]) -> (usize, usize) {
        let length = |column: usize| {
            let text = self.texts.iter().position(|text| *text == column);
            text.and_then(|text| lengths.get(text)).copied().unwrap_or(0)
        };
        (length(sequence.first), sequence.second.map_or(0, length))
    }

    /// The tokens of the texts of sequence `number` that window `window` holds, if the texts have `first` and `second`
    /// tokens. Every window has the same tokens of a sequence that is not read in windows.
    fn kept(&self, number: usize, window: usize, first: usize, second: usize) -> (Kept, Kept) {
        let sequence = &self.sequences[number];
        match self.windowed.filter(|windowed| windowed.sequence == number) {
            Some(windowed) => {
                let range = self.windows_of(windowed, first, second).range(window);
                match sequence.second {
                    Some(_) => self.framing.place(sequence, (0, first), range),
                    None => self.framing.place(sequence, range, (0, 0)),
                }
            }
            None => self.framing.kept(sequence, first, second),
        }
    }

    /// The sequence that holds the text of the spans of `column`, and whether this is its first text; `None` if the
    /// column holds no spans.
    fn sequence_of(&self, column: usize) -> Option<(usize, bool)> {
        let columns = self.store.columns();
        let text = columns[column].spanned_text()?;
        let text = columns.iter().position(|column| column.name == text)?;
        let has_text =
            |sequence: &Sequence| sequence.first == text || sequence.second == Some(text);
        let number = self.sequences.iter().position(has_text)?;
        Some((number, self.sequences[number].first == text))
    }

    /// The tokens in window `window` of the text that the spans of `column` belong to; `None` if the column holds no
    /// spans.
    fn kept_of(&self, column: usize, window: usize, lengths: &[usize]) -> Option<Kept> {
        let (number, is_first) = self.sequence_of(column)?;
        let (first, second) = self.text_lengths(&self.sequences[number], lengths);
        let (of_first, of_second) = self.kept(number, window, first, second);
        Some(if is_first { of_first } else { of_second })
    }
}

impl Dataset for Records {
    fn len(&self) -> u64 {
        self.layout.len()
    }

    /// The length over all its sequences, before transforms.
    fn row_length(&self, index: u64) -> usize {
        let Some(Row { record, window }) = self.layout.row(index) else { return 0 };
        let lengths = self.store.text_lengths(record);
        let count = |(number, sequence): (usize, &Sequence)| {
            let (first, second) = self.text_lengths(sequence, &lengths);
            let (of_first, of_second) = self.kept(number, window, first, second);
            of_first.len() + of_second.len() + self.framing.num_special(sequence)
        };
        self.sequences.iter().enumerate().map(count).sum()
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        let Some(row) = self.layout.row(index) else {
            return Err(DatasetError::OutOfRange { index, len: self.len() });
        };
        let values = self.store.values(row.record)?;
        let transformed = self.transforms.apply(self.stored(index, row, epoch, &values));
        let mut example = transformed.map_err(|error| DatasetError::Unreadable {
            key: self.key(index),
            reason: error.to_string(),
        })?;
        self.tokenise(&mut example, row, &values)?;
        Ok(example)
    }

    fn key(&self, index: u64) -> Key {
        match self.layout.row(index) {
            Some(row) => self.store.key(row.record),
            None => Key::new("?", 0),
        }
    }
}

impl std::fmt::Debug for Records {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Records").field("store", &self.store).field("len", &self.len()).finish()
    }
}
