//! `tag`: finds the entities of a text, from records with spans. A head scores the labels of a scheme such as IOB2 for the
//! first token of each word; the loss is their cross-entropy (Devlin et al. 2019, "BERT", section 5.3; transformers'
//! `...ForTokenClassification`).
//!
//! A long text is read in overlapping windows, so that every word is learned from once.

mod collate;
mod config;
mod loss;

pub use config::TagConfig;
pub(crate) use loss::ENTRY;

/// The column with the text.
const TEXT: &str = "text";
/// The column with the entities.
const ENTITIES: &str = "entities";
