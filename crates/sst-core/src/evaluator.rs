//! The seam of evaluators.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::model::Model;

/// Figures by name, such as `loss` or `mask_accuracy`; sorted, so that reports are stable.
pub type Metrics = BTreeMap<String, f64>;

/// Measures a model. Changes nothing: same model, same figures.
pub trait Evaluator {
    /// Its name in reports (`mlm`, `sts`, ...).
    fn name(&self) -> &str;

    /// The figures of `model`.
    ///
    /// # Errors
    /// If the data cannot be read or libtorch fails.
    fn evaluate(&mut self, model: &dyn Model) -> Result<Metrics>;
}
