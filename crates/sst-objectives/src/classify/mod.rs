//! `classify`: predicts the classes of a text, or a number, from labelled records. The loss is that of transformers'
//! `...ForSequenceClassification` (Devlin et al. 2019, "BERT", section 4.1): the cross-entropy of one class a text, the
//! binary cross-entropy of any number of classes, or the squared error of a number.

mod collate;
mod config;
mod loss;

pub use config::{ClassifyConfig, Problem};
pub(crate) use loss::ENTRY;

/// The name of the column that holds the class or the number.
const LABEL: &str = "label";
/// The name of the column that holds any number of classes.
const LABELS: &str = "labels";
