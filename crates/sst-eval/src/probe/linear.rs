//! The linear probe: C chosen on the training part, trained on all of it, and measured once on the test part.

use super::control::majority_accuracy;
use super::data::Labelled;
use super::error::ProbeError;
use super::logistic::{Convergence, Logistic, LogisticOptions};
use super::select::{Selection, SelectionOptions, select_c};
use crate::metric::accuracy;

/// What a linear probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearProbe {
    /// The share of the test part whose class is predicted.
    pub accuracy: f64,
    /// The share of the test part that has the commonest class of the training part.
    pub majority: f64,
    /// The class that is predicted for each row of the test part.
    pub predictions: Vec<i64>,
    /// The C that was chosen, and from what.
    pub selection: Selection,
    /// Whether the last training reached its optimum.
    pub convergence: Convergence,
    /// Features that are constant on the training part, which the probe does not use if it standardises.
    pub constant_features: usize,
}

/// Chooses C on folds of `train` ([`select_c`]), trains on all of `train` with it, and predicts `test`, which nothing else
/// looks at.
///
/// # Errors
/// As [`select_c`] and [`Logistic::fit`], and if `test` has no row or another width.
pub fn linear_probe(
    train: &Labelled,
    test: &Labelled,
    selection: &SelectionOptions,
    logistic: &LogisticOptions,
) -> Result<LinearProbe, ProbeError> {
    let no_rows = ProbeError::Rows { what: "an accuracy", rows: 0, needed: 1 };
    let Some(majority) = majority_accuracy(train.labels(), test.labels()) else {
        return Err(no_rows);
    };
    let selection = select_c(train, selection, logistic)?;
    let options = LogisticOptions { c: selection.c, ..logistic.clone() };
    let probe = Logistic::fit(train, &options)?;
    let predictions = probe.predict(test.features_nd())?;
    Ok(LinearProbe {
        accuracy: accuracy(test.labels(), &predictions).ok_or(no_rows)?,
        majority,
        predictions,
        selection,
        convergence: probe.convergence(),
        constant_features: probe.constant_features(),
    })
}
