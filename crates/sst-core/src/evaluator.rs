//! The trait of evaluators.

use crate::error::Result;
use crate::model::Model;
use crate::objective::Objective;
use crate::report::Report;

/// Measures a model on data that it owns.
///
/// An evaluator changes neither the model nor the objective, and runs the model without dropout and without gradients:
/// the same model always gets the same figures.
pub trait Evaluator {
    /// Its name in reports, logs and model cards, such as `mask-accuracy`. For the held-out loss of an objective this is
    /// the name of the objective.
    fn name(&self) -> &str;

    /// The figures of `model`.
    ///
    /// `objective` is the objective that the model is being trained with, if there is one. An evaluator that needs its
    /// loss, or parameters that are trained with the model (a projection head, a temperature), takes them from here;
    /// others ignore it.
    ///
    /// # Errors
    /// If the data cannot be read, the model lacks a head, the evaluator needs an objective and gets none, or libtorch
    /// fails.
    fn evaluate(&mut self, model: &dyn Model, objective: Option<&dyn Objective>) -> Result<Report>;
}
