//! The trait of evaluators.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::model::Model;

/// Metrics by name, such as `loss` or `mask_accuracy`, in sorted order.
pub type Metrics = BTreeMap<String, f64>;

/// Measures a model without changing it. The same model always gives the same metrics.
pub trait Evaluator {
    /// Its name in reports (`mlm`, `sts`, ...).
    fn name(&self) -> &str;

    /// The figures of `model`.
    ///
    /// # Errors
    /// If the data cannot be read or libtorch fails.
    fn evaluate(&mut self, model: &dyn Model) -> Result<Metrics>;
}
