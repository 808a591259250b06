//! Numbers.

use sst_core::{Model, Report};
use sst_data::Example;

use super::ENTRY;
use super::single_label::missing;
use crate::error::EvalError;
use crate::input::RecordRows;
use crate::intervals::Intervals;
use crate::metric::{mean_squared_error, pearson, r_squared, spearman};
use crate::predict::ClassScorer;

/// A figure of labels and predictions.
type Figure = dyn Fn(&[f64], &[f64]) -> Option<f64>;

/// Measures a head that predicts a number.
pub(super) fn measure(
    scorer: &ClassScorer,
    model: &dyn Model,
    data: &RecordRows,
    intervals: &Intervals,
) -> Result<Report, EvalError> {
    let outputs = scorer.names().len();
    if outputs != 1 {
        return Err(EvalError::Outputs { evaluator: ENTRY.name, outputs });
    }
    let (mut labels, mut predictions) = (Vec::new(), Vec::new());
    scorer.for_each(model, &*data.rows, &mut |example: &Example, scored| {
        labels.push(example.float("label").ok_or_else(|| missing(example, "label"))?);
        predictions.push(scored.scores[0]);
        Ok(())
    })?;
    if labels.is_empty() {
        return Err(EvalError::Nothing(ENTRY.name.to_owned()));
    }
    let rows = labels.len();
    let mut metrics = Vec::new();
    let of = |sample: &[usize], figure: &Figure| {
        let pick = |of: &[f64]| sample.iter().map(|at| of[*at]).collect::<Vec<_>>();
        figure(&pick(&labels), &pick(&predictions))
    };
    intervals.add(&mut metrics, "mean_squared_error", rows, |sample| {
        of(sample, &|labels, found| mean_squared_error(labels, found).ok().flatten())
    })?;
    intervals.add(&mut metrics, "r_squared", rows, |sample| {
        of(sample, &|labels, found| r_squared(labels, found).ok().flatten())
    })?;
    intervals.add(&mut metrics, "pearson", rows, |sample| of(sample, &pearson))?;
    intervals.add(&mut metrics, "spearman", rows, |sample| of(sample, &spearman))?;
    // The error of always predicting the mean number of this data.
    let mean = labels.iter().sum::<f64>() / rows as f64;
    if let Some(baseline) = mean_squared_error(&labels, &vec![mean; rows])? {
        metrics.push(("mean_label_squared_error".to_owned(), baseline));
    }
    let metrics = metrics.iter().map(|(name, value)| (&**name, *value));
    Ok(Report::new(ENTRY.name, metrics, [("texts", rows as u64)]))
}
