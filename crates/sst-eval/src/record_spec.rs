//! The rows of records that an evaluator reads.

use serde_json::Value;
use sst_core::HeadKind;
use sst_data::RowSpec;

/// The records that an evaluator of a head reads.
#[derive(Debug, Clone, Copy)]
pub struct RecordSpec {
    /// The head that is measured.
    pub head: HeadKind,
    /// The rows, given the config.json of the model and the complete configuration of the evaluator.
    pub rows: fn(&Value, &Value) -> RowSpec,
    /// The labels of the data of a model whose outputs have these names; empty if the data has none.
    pub labels: fn(&Value, &[String]) -> Vec<String>,
}
