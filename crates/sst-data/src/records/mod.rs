//! Records are examples with labels, numbers or spans beside their texts.
//!
//! A [`Column`] names a field and the kind of its values. A [`RecordPreparation`] reads the fields of files in any
//! format with fields (JSON lines, CSV, TSV, Parquet, CoNLL, SQuAD), checks every value, numbers the labels, and keeps
//! the records in a [`RecordStore`], whose name is a hash of everything that it depends on. [`Records`] are the rows over
//! it: a [`Dataset`](crate::rows::Dataset) that is shuffled, batched and loaded like any other. A record is one row, or
//! with a [`WindowSpec`] as many rows as its text has windows. The texts are [transformed](crate::transform) and tokenized
//! in the loader's workers when a row is requested.
//!
//! ```text
//! CACHE/FINGERPRINT/
//!   records.bin     the fields of all records
//!   ends.bin        for each record, the number of bytes up to its end, u64
//!   lengths.bin     for each record, the number of tokens of each of its texts, u32
//!   keys.bin        for each record, its source (u32, into the manifest's list, and a bit for questions) and number (u64)
//!   manifest.json   columns, labels, sources, ledger, the size and SHA-256 of the files above, and a hash of itself
//! ```

mod build;
mod column;
mod error;
mod json;
mod labels;
mod parse;
mod places;
mod prepare;
mod rows;
mod sequence;
mod spans;
mod store;
mod value;
mod window;
mod writer;

pub use column::{Column, ColumnKind};
pub use error::{ColumnError, RecordsError};
pub use labels::LabelTable;
#[cfg(feature = "pictures")]
pub(crate) use labels::{LabelCollector, LabelError};
pub use prepare::RecordPreparation;
pub use rows::{Records, RowLimits};
pub use store::RecordStore;
pub use window::{Stride, TextWindow, WindowSpec};
