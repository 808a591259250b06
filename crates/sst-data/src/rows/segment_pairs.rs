//! Rows of two segments in one sequence: two neighbours, two swapped neighbours, or segments of two documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::segments::{Stretch, Stretches};
use super::{Dataset, DatasetError, Subset};
use crate::example::{Example, Field, Key};
use crate::ledger::Ledger;
use crate::rng::SeqRng;
use crate::store::{Store, StoreError};
use crate::tokenize::{PairTemplate, longest_first};

/// The field with the label of a row.
pub const PAIR_LABEL: &str = "label";

/// In a document with many rows, the first sentence of every row with this interval is stored.
const ROWS_PER_MARK: u64 = 32;

/// The choice of the second segment of a row.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SegmentPairs {
    /// The second segment follows the first in the document (label 0), or with probability `random` it consists of
    /// consecutive sentences of another document (label 1), as in the pretraining of BERT (Devlin et al. 2019, section
    /// 3.1; `random` is 0.5 there).
    NextSentence {
        /// The probability of a segment of another document.
        random: f64,
    },
    /// The second segment follows the first (label 0), or with probability `swapped` both segments are swapped (label
    /// 1), as in the pretraining of ALBERT (Lan et al. 2020, section 3.1; `swapped` is 0.5 there).
    SentenceOrder {
        /// The probability of swapped segments.
        swapped: f64,
    },
}

impl SegmentPairs {
    fn check(self) -> Result<(), DatasetError> {
        let (name, share) = match self {
            Self::NextSentence { random } => ("random", random),
            Self::SentenceOrder { swapped } => ("swapped", swapped),
        };
        match (0.0..=1.0).contains(&share) {
            true => Ok(()),
            false => Err(DatasetError::BadShare { name, share }),
        }
    }
}

/// Rows over a token [`Store`] with sentence ends. Each row consists of consecutive sentences of one document: as many
/// as fit, and at least two. It is cut into two segments at a sentence boundary.
///
/// An example has the fields `input_ids` (both segments with their special tokens), `token_type_ids` (one for each
/// token) and [`PAIR_LABEL`] (0 for two segments in their order, 1 otherwise). The boundary, the label and the segment
/// of another document are drawn by (seed, `segment_pairs`, epoch, index), so every epoch has new draws, and a resumed
/// run has the same ones. The other document is drawn uniformly from the same subset, and its first sentence uniformly
/// from its sentences. The segment has as many whole sentences as fit in the length of the segment that it replaces.
/// It has at least one sentence, which is truncated if it is longer.
#[derive(Debug, Clone)]
pub struct SegmentPairRows {
    store: Arc<Store>,
    kind: SegmentPairs,
    seed: u64,
    /// The documents of the subset; `None` for all documents.
    documents: Option<Vec<u64>>,
    /// The number of rows before document `i`. It has one entry more than there are documents.
    starts: Vec<u64>,
    /// Row indices within long documents, with the first sentence of each.
    marks: Vec<(u64, u32)>,
    /// The most tokens of a row without special tokens.
    capacity: usize,
    template: PairTemplate,
}

impl SegmentPairRows {
    /// Makes rows of at most `max_length` tokens, special tokens included.
    ///
    /// A document of a single sentence makes no row, and is counted in `ledger` as `rows.single_sentence_documents`.
    /// If two sentences alone are longer than a row, the longer one is truncated, which is counted as
    /// `rows.truncated_pairs` and `rows.truncated_tokens`.
    ///
    /// # Errors
    /// If the store has no sentence ends or cannot be read, `max_length` leaves no room for two segments, a
    /// probability is not in `[0, 1]`, the validation fraction is not in `[0, 1)`, or segments of other documents are
    /// needed and there is only one document.
    pub fn new(
        store: Arc<Store>,
        kind: SegmentPairs,
        subset: Subset,
        max_length: usize,
        template: PairTemplate,
        seed: u64,
        ledger: &Ledger,
    ) -> Result<Self, DatasetError> {
        subset.check()?;
        kind.check()?;
        let special = template.num_special();
        if max_length < special + 2 {
            return Err(DatasetError::NoRoomForPair { max_length, special });
        }
        let capacity = max_length - special;
        let (mut documents, mut starts, mut marks) = (Vec::new(), vec![0], Vec::new());
        let (mut rows, mut single, mut cut) = (0_u64, 0, (0, 0));
        let mut first_single = None;
        let mut first_cut = None;
        for document in (0..store.num_documents()).filter(|document| subset.contains(*document)) {
            let before = rows;
            for stretch in Stretches::from(&store, document, 0, capacity)? {
                let stretch = stretch?;
                if rows > before && (rows - before).is_multiple_of(ROWS_PER_MARK) {
                    marks.push((rows, stretch.first as u32));
                }
                let over = stretch.num_tokens().saturating_sub(capacity);
                if over > 0 {
                    first_cut.get_or_insert(document);
                    cut = (cut.0 + 1, cut.1 + over as u64);
                }
                rows += 1;
            }
            if rows == before {
                first_single.get_or_insert(document);
                single += 1;
            }
            if !subset.is_whole() {
                documents.push(document);
            }
            starts.push(rows);
        }
        let key = |document: Option<u64>| document.map(|document| store.key(document));
        ledger.add("rows.single_sentence_documents", single, key(first_single).as_ref());
        ledger.add("rows.truncated_pairs", cut.0, key(first_cut).as_ref());
        ledger.add("rows.truncated_tokens", cut.1, key(first_cut).as_ref());
        let draws_partners = matches!(kind, SegmentPairs::NextSentence { random } if random > 0.0);
        if draws_partners && starts.len() == 2 {
            return Err(DatasetError::NoOtherDocument(store.key(0)));
        }
        let documents = (!subset.is_whole()).then_some(documents);
        Ok(Self { store, kind, seed, documents, starts, marks, capacity, template })
    }

    fn num_documents(&self) -> usize {
        self.starts.len() - 1
    }

    /// The index in the store of the document at `place` in the subset.
    fn document(&self, place: usize) -> u64 {
        self.documents.as_ref().map_or(place as u64, |documents| documents[place])
    }

    /// The position in the subset of the document that row `index` belongs to.
    fn place_of(&self, index: u64) -> usize {
        self.starts.partition_point(|start| *start <= index) - 1
    }

    /// The sentences of row `index`, which belongs to the document at `place`.
    fn stretch(&self, index: u64, place: usize) -> Result<Stretch, StoreError> {
        let marked = self.marks.partition_point(|(row, _)| *row <= index);
        let mark = self.marks[..marked].last().filter(|(row, _)| *row >= self.starts[place]);
        let (row, sentence) = mark.map_or((self.starts[place], 0), |(row, at)| (*row, *at));
        let mut stretches =
            Stretches::from(&self.store, self.document(place), sentence as usize, self.capacity)?;
        let stretch = stretches.nth((index - row) as usize);
        stretch.unwrap_or_else(|| Err(self.store.sentences_changed()))
    }

    /// Draws consecutive sentences of at most `room` tokens from a document other than the one at `place`.
    fn partner(
        &self,
        place: usize,
        room: usize,
        rng: &mut SeqRng,
    ) -> Result<Vec<u32>, DatasetError> {
        let drawn = rng.below(self.num_documents() as u64 - 1) as usize;
        let document = self.document(drawn + usize::from(drawn >= place));
        let num_sentences = self.store.num_sentences(document)?;
        let first = rng.below(num_sentences as u64) as usize;
        let begin = match first.checked_sub(1) {
            Some(before) => self.store.sentence_ends(document, before, 1)?[0],
            None => 0,
        };
        // Each sentence has at least one token, so at most `room` sentences can fit.
        let ends = self.store.sentence_ends(document, first, room)?;
        let whole =
            ends.iter().map(|end| (end - begin) as usize).take_while(|count| *count <= room);
        let count = whole.last().unwrap_or(room);
        let mut ids = Vec::with_capacity(count);
        self.store.append_to(&mut ids, document, begin as usize, count)?;
        Ok(ids)
    }
}

impl Dataset for SegmentPairRows {
    fn len(&self) -> u64 {
        self.starts[self.num_documents()]
    }

    /// The length of the row with its own second segment. A segment of another document never makes it longer.
    fn row_length(&self, index: u64) -> usize {
        if index >= self.len() {
            return 0;
        }
        // A read error is ignored here, because it is returned when the row is requested.
        let tokens = self.stretch(index, self.place_of(index)).map_or(0, |all| all.num_tokens());
        tokens.min(self.capacity) + self.template.num_special()
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        if index >= self.len() {
            return Err(DatasetError::OutOfRange { index, len: self.len() });
        }
        self.store.check_unchanged()?;
        let place = self.place_of(index);
        let (document, stretch) = (self.document(place), self.stretch(index, place)?);
        let mut rng = SeqRng::new(self.seed, "segment_pairs", epoch, index);
        let split = rng.below(stretch.ends.len() as u64 - 1) as usize;
        let (begin, middle) = (stretch.begin as usize, stretch.ends[split] as usize);
        let end = begin + stretch.num_tokens();
        let (of_first, of_second) = longest_first(middle - begin, end - middle, self.capacity);
        let (mut first, mut second) = (Vec::new(), Vec::new());
        self.store.append_to(&mut first, document, begin, of_first)?;
        let label = match self.kind {
            SegmentPairs::NextSentence { random } if rng.chance(random) => {
                second = self.partner(place, of_second, &mut rng)?;
                1
            }
            SegmentPairs::NextSentence { .. } => {
                self.store.append_to(&mut second, document, middle, of_second)?;
                0
            }
            SegmentPairs::SentenceOrder { swapped } => {
                self.store.append_to(&mut second, document, middle, of_second)?;
                let is_swapped = rng.chance(swapped);
                if is_swapped {
                    std::mem::swap(&mut first, &mut second);
                }
                i64::from(is_swapped)
            }
        };
        let (ids, types) = self.template.join(&first, &second);
        let fields = BTreeMap::from([
            (Arc::from("input_ids"), Field::Tokens(ids)),
            (Arc::from("token_type_ids"), Field::Tokens(types)),
            (Arc::from(PAIR_LABEL), Field::Int(label)),
        ]);
        Ok(Example { key: self.store.key(document), index, epoch, fields })
    }

    fn score(&self, index: u64) -> Option<f32> {
        let known = index < self.len();
        known.then(|| self.store.score(self.document(self.place_of(index)))).flatten()
    }

    fn key(&self, index: u64) -> Key {
        match index < self.len() {
            true => self.store.key(self.document(self.place_of(index))),
            false => Key::new("?", 0),
        }
    }
}
