//! The host side of sst: everything between files on disk and batches of named arrays. It does not link libtorch.
//!
//! ```
//! use sst_data::read::Source;
//! use sst_data::rows::{Dataset, RowMode, Subset, TokenRows};
//! use sst_data::store::Preparation;
//! use sst_data::tokenize::{TrainConfig, train};
//! use sst_data::{Ledger, clean::CleanConfig};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let corpus = folder.path().join("corpus.txt");
//! # std::fs::write(&corpus, "It rained. He left.\nIt is late.\n")?;
//! # let (corpus, cache) = (corpus.display().to_string(), folder.path().join("cache"));
//! // Everything that is dropped or cut off on the way is counted here.
//! let ledger = Ledger::new();
//! let source = Source::new([corpus]);
//! let texts = ["It rained. He left.", "It is late."].into_iter().map(str::to_owned);
//! let tokenizer = train(&TrainConfig { vocab_size: 60, ..TrainConfig::default() }, texts)?;
//! // Read, clean and tokenise once; the next time the tokens come from the cache.
//! let preparation = Preparation {
//!     source: &source,
//!     clean: &CleanConfig::default(),
//!     tokenizer: &tokenizer,
//!     sentence_ends: false,
//!     ledger: &ledger,
//!     cache: &cache,
//! };
//! let store = preparation.prepare(&mut |_, _| ())?;
//! // One row a document, of at most 32 tokens with `[CLS]` and `[SEP]`.
//! let template = tokenizer.special_token_template().clone();
//! let rows = TokenRows::new(store, Subset::All, RowMode::Document, 32, template, &ledger)?;
//! assert_eq!(rows.len(), 2);
//! let row = rows.get(1, 0)?;
//! assert!(row.key.to_string().ends_with("corpus.txt:2"));
//! assert_eq!(row.tokens("input_ids").map(<[u32]>::len), Some(rows.row_length(1)));
//! # Ok(())
//! # }
//! ```
//!
//! `examples/corpus_to_batches.rs` goes on from here to batches.
//!
//! 1. [`read`] yields [`Example`]s from text, JSON lines, CSV, TSV, Parquet, CoNLL and SQuAD. Each has a [`Key`] that
//!    names its file and line.
//! 2. Documents are [cleaned](clean), tokenised ([`tokenize`]) and kept in a [`store`]. Examples with labels, numbers or
//!    spans are kept as [`records`].
//! 3. A [`Dataset`](rows::Dataset) gives rows by index: [`rows`] of tokens, of groups of texts and of two segments, and
//!    [`records`], which [`transform`]s may change each time that they are drawn. A [`RowSpec`] says which of them an
//!    objective wants.
//!    With the feature `pictures`, `pictures` decodes and stores pictures, and gives rows of their pixels.
//! 4. [`order`] shuffles the rows of an epoch, and [`batching`] groups them into steps; [`curriculum`] and [`mixture`] choose
//!    among rows and tasks.
//! 5. The [`loader`] calls an objective's [`Collate`] in worker threads and hands the batches over in order.
//!
//! [`leaks`] counts how much of a test set was among the texts that a model was trained on.
//!
//! All randomness comes from [`rng::SeqRng`], which is keyed by (seed, stream, epoch, index): the same sample gets the same
//! draw whatever the number of workers, ranks or restarts.

pub mod atomic;
pub mod augment;
pub mod axis;
pub mod batch;
pub mod batching;
pub mod clean;
pub mod curriculum;
pub mod entities;
pub mod example;
mod hex;
mod json_problem;
pub mod leaks;
pub mod ledger;
pub mod leftovers;
pub mod loader;
pub mod lock;
pub mod mixture;
pub mod order;
mod panic;
#[cfg(feature = "pictures")]
pub mod pictures;
pub mod pixels;
pub mod processor;
pub mod read;
pub mod records;
pub mod recycle;
pub mod rng;
pub mod row_spec;
pub mod rows;
pub mod sentence;
pub mod setting;
pub mod store;
pub mod tokenize;
pub mod transform;
pub mod unused;
pub mod vectors;
pub mod words;

pub use batch::{ArrayData, BatchError, Collate, CollateError, HostArray, HostBatch, Normalizer};
pub use example::{Example, Field, Key, Span};
pub use json_problem::{config_problem, json_problem};
pub use ledger::Ledger;
pub use pixels::{PixelValues, Pixels};
pub use processor::Processor;
pub use rng::SeqRng;
pub use row_spec::RowSpec;
pub use setting::{NamesSettings, Setting};
pub use unused::{Harmless, Unused, UnusedKind};
