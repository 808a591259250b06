//! A batch on the host: named arrays, whose shapes are checked, and the number that its loss is divided by.

use std::collections::BTreeMap;

use crate::example::{Example, Key};
use crate::recycle;
use crate::setting::{self, NamesSettings, Setting};

/// The numbers of one array, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrayData {
    /// 64-bit integers: token ids, positions, labels.
    I64(Vec<i64>),
    /// 8-bit unsigned integers, 0 to 255: pixels as they are decoded, before they are scaled on the device.
    U8(Vec<u8>),
    /// 32-bit reals: scaled pixels, scores.
    F32(Vec<f32>),
    /// Booleans: masks.
    Bool(Vec<bool>),
}

impl ArrayData {
    /// The number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::I64(v) => v.len(),
            Self::U8(v) => v.len(),
            Self::F32(v) => v.len(),
            Self::Bool(v) => v.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// One array: its shape and its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct HostArray {
    shape: Vec<usize>,
    data: ArrayData,
}

impl HostArray {
    /// The shape, outermost dimension first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The numbers, row-major.
    pub fn data(&self) -> &ArrayData {
        &self.data
    }
}

/// The number that the summed loss of a batch is divided by. It is known on the host before the first
/// forward pass, so that gradient accumulation and data parallelism divide by the count of the whole step
/// and not by the count of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalizer {
    /// The loss is a sum over so many labels, tokens or rows, and is divided by their number.
    Count(u64),
    /// The loss depends on the whole batch at once (in-batch negatives) and cannot be accumulated.
    WholeBatch,
}

/// Named arrays of one batch. Never changed after [`Collate::collate`] returns it.
#[derive(Debug, Clone, PartialEq)]
pub struct HostBatch {
    arrays: BTreeMap<&'static str, HostArray>,
    /// The lengths of the rows if the token arrays are concatenated without padding; `None` if they are padded to
    /// `[batch, length]`.
    pub row_lengths: Option<Vec<usize>>,
    /// The number that the summed loss is divided by.
    pub normalizer: Normalizer,
    /// The origin of each row, for errors.
    pub keys: Vec<Key>,
    /// The number of tokens (or patches) that are not padding.
    pub useful_tokens: u64,
    /// The number of tokens (or patches) that are computed, padding included.
    pub padded_tokens: u64,
}

/// The memory of large arrays is kept for the next batch.
impl Drop for HostBatch {
    fn drop(&mut self) {
        for array in std::mem::take(&mut self.arrays).into_values() {
            if let ArrayData::F32(values) = array.data {
                recycle::give_back(values);
            }
        }
    }
}

/// Why an array cannot be added to a batch.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The product of the shape differs from the number of elements.
    #[error("array `{name}` of shape {shape:?} needs {expected} elements and has {got}")]
    Shape {
        /// The array.
        name: &'static str,
        /// Its shape.
        shape: Vec<usize>,
        /// The product of the shape.
        expected: usize,
        /// The elements given.
        got: usize,
    },
    /// The batch already has an array of this name.
    #[error("the batch already has an array `{0}`")]
    Duplicate(&'static str),
}

impl HostBatch {
    /// An empty batch for the rows with these keys.
    pub fn new(normalizer: Normalizer, keys: Vec<Key>) -> Self {
        Self {
            arrays: BTreeMap::new(),
            row_lengths: None,
            normalizer,
            keys,
            useful_tokens: 0,
            padded_tokens: 0,
        }
    }

    /// Adds an array.
    ///
    /// # Errors
    /// If the shape does not match the number of elements, or the name is taken.
    pub fn with(
        mut self,
        name: &'static str,
        shape: &[usize],
        data: ArrayData,
    ) -> Result<Self, BatchError> {
        let expected = shape.iter().product();
        if expected != data.len() {
            let shape = shape.to_vec();
            return Err(BatchError::Shape { name, shape, expected, got: data.len() });
        }
        let array = HostArray { shape: shape.to_vec(), data };
        match self.arrays.insert(name, array) {
            None => Ok(self),
            Some(_) => Err(BatchError::Duplicate(name)),
        }
    }

    /// Marks the token arrays as concatenated rows of these lengths, without padding.
    pub fn with_row_lengths(mut self, lengths: Vec<usize>) -> Self {
        self.row_lengths = Some(lengths);
        self
    }

    /// Sets the number of tokens that are not padding and the number of tokens that are computed.
    pub fn with_tokens(mut self, useful: u64, padded: u64) -> Self {
        (self.useful_tokens, self.padded_tokens) = (useful, padded);
        self
    }

    /// The array `name`.
    pub fn get(&self, name: &str) -> Option<&HostArray> {
        self.arrays.get(name)
    }

    /// All arrays, sorted by name.
    pub fn arrays(&self) -> impl Iterator<Item = (&'static str, &HostArray)> {
        self.arrays.iter().map(|(name, array)| (*name, array))
    }
}

/// Why examples could not be turned into a batch.
#[derive(Debug, thiserror::Error)]
pub enum CollateError {
    /// An example lacks a field that the objective needs.
    #[error("{key}: the example has no field `{field}`")]
    MissingField {
        /// The example.
        key: Key,
        /// The field.
        field: String,
    },
    /// The objective cannot use an example.
    #[error("{key}: {reason}")]
    BadExample {
        /// The example.
        key: Key,
        /// What is wrong and what to do.
        reason: String,
    },
    /// An example has no token, but the objective needs a vector of it.
    #[error("{0}: the row has no token, so it has no vector: leave empty documents out")]
    NoTokens(Key),
    /// Rows are packed, but the objective does not support packs.
    #[error("this objective takes one row at a time: use another batching rule than `Packed`")]
    Packs,
    /// The arrays do not fit together.
    #[error(transparent)]
    Batch(#[from] BatchError),
}

impl NamesSettings for CollateError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::NoTokens(_) => vec![setting::MIN_LENGTH],
            Self::Packs => vec![setting::PACKED],
            Self::MissingField { .. } | Self::BadExample { .. } | Self::Batch(_) => Vec::new(),
        }
    }
}

/// Turns examples into one batch, labels included: the host half of an objective.
///
/// It is a pure function: the same examples and seed give the same bytes. Every random draw is keyed by the
/// example's own (epoch, index) through [`crate::SeqRng`], so the draws for an example do not depend on the
/// examples it is batched with.
pub trait Collate: Send + Sync {
    /// One batch from these examples, in their order.
    ///
    /// # Errors
    /// If an example lacks what the objective needs.
    fn collate(&self, examples: &[Example], seed: u64) -> Result<HostBatch, CollateError>;

    /// One batch from packs of these examples: the first `packs[0]` of them lie in the first pack,
    /// and so on. Objectives that cannot tell the rows of a pack apart need not implement it.
    ///
    /// # Errors
    /// If the objective takes no packs, or an example lacks what it needs.
    fn collate_packs(
        &self,
        _examples: &[Example],
        _packs: &[usize],
        _seed: u64,
    ) -> Result<HostBatch, CollateError> {
        Err(CollateError::Packs)
    }
}
