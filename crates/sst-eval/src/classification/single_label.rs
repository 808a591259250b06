//! Texts of one class each.

use sst_core::{Model, Report, Table};
use sst_data::Example;

use super::ENTRY;
use crate::error::EvalError;
use crate::input::RecordRows;
use crate::intervals::Intervals;
use crate::metric::{
    Averages, ConfusionMatrix, MacroOver, class_counts, commonest, matthews_correlation,
    roc_auc_one_vs_rest, wilson_interval,
};
use crate::predict::ClassScorer;

/// The most classes whose confusion matrix is reported.
const MAX_MATRIX: usize = 200;

/// Measures a head that predicts one class a text. `classes` has the class of each label of the data.
pub(super) fn measure(
    scorer: &ClassScorer,
    model: &dyn Model,
    data: &RecordRows,
    classes: &[i64],
    intervals: &Intervals,
) -> Result<Report, EvalError> {
    let (mut labels, mut predictions, mut scores, mut loss) =
        (Vec::new(), Vec::new(), Vec::new(), 0.0);
    scorer.for_each(model, &*data.rows, &mut |example, scored| {
        let label = example.int("label").and_then(|label| classes.get(label as usize));
        let label = *label.ok_or_else(|| missing(example, "label"))?;
        loss -= log_softmax(&scored.logits, label as usize);
        predictions.push(scored.best() as i64);
        labels.push(label);
        scores.extend(scored.scores);
        Ok(())
    })?;
    let Some((_, commonest_accuracy)) = commonest(&labels) else {
        return Err(EvalError::Nothing(ENTRY.name.to_owned()));
    };
    let (rows, width) = (labels.len(), scorer.names().len());
    let correct = labels.iter().zip(&predictions).filter(|(label, found)| label == found).count();
    let mut metrics = vec![
        ("accuracy".to_owned(), correct as f64 / rows as f64),
        ("commonest_class_accuracy".to_owned(), commonest_accuracy),
        ("loss".to_owned(), loss / rows as f64),
    ];
    if let Some(interval) = wilson_interval(correct as u64, rows as u64, 0.95)? {
        metrics.push(("accuracy_low".to_owned(), interval.low));
        metrics.push(("accuracy_high".to_owned(), interval.high));
    }
    let counts_of = |sample: &[usize]| {
        let pick = |of: &[i64]| sample.iter().map(|at| of[*at]).collect::<Vec<_>>();
        class_counts(&pick(&labels), &pick(&predictions), width).ok()
    };
    let averages = |sample: &[usize]| {
        counts_of(sample).map(|counts| Averages::new(&counts, MacroOver::Occurring))
    };
    intervals.add(&mut metrics, "macro_f1", rows, |sample| {
        averages(sample).map(|averages| averages.macro_average.f1)
    })?;
    intervals.add(&mut metrics, "weighted_f1", rows, |sample| {
        averages(sample).map(|averages| averages.weighted_average.f1)
    })?;
    intervals.add(&mut metrics, "matthews_correlation", rows, |sample| {
        counts_of(sample).map(|counts| matthews_correlation(&counts))
    })?;
    let areas = roc_auc_one_vs_rest(&labels, &scores, width)?;
    metrics.extend(areas.macro_average.map(|area| ("roc_auc".to_owned(), area)));
    let counts = class_counts(&labels, &predictions, width)?;
    let mut table = Table::new(&["precision", "recall", "f1", "labels", "predictions", "roc_auc"]);
    for ((name, counts), area) in scorer.names().iter().zip(&counts).zip(&areas.classes) {
        let scores = counts.scores();
        let (gold, predicted) = (counts.gold as f64, counts.predicted as f64);
        let area = area.unwrap_or(f64::NAN);
        table.push(name, vec![scores.precision, scores.recall, scores.f1, gold, predicted, area]);
    }
    let averages = Averages::new(&counts, MacroOver::Occurring);
    let counts = [
        ("texts", rows as u64),
        ("correct", correct as u64),
        ("classes_without_labels", averages.without_gold as u64),
        ("classes_without_predictions", averages.without_predictions as u64),
        ("classes_without_roc_auc", areas.left_out as u64),
    ];
    let metrics = metrics.iter().map(|(name, value)| (&**name, *value));
    let right = labels.iter().zip(&predictions);
    let right = right.map(|(label, found)| (f64::from(u8::from(label == found)), 1.0));
    let report = Report::new(ENTRY.name, metrics, counts)
        .with_table("classes", table)
        .with_examples("accuracy", right);
    if width > MAX_MATRIX {
        return Ok(report);
    }
    let matrix = ConfusionMatrix::new(&labels, &predictions, width)?;
    let names: Vec<&str> = scorer.names().iter().map(String::as_str).collect();
    let mut table = Table::new(&names);
    for (name, row) in names.iter().zip(matrix.rows()) {
        table.push(name, row.iter().map(|count| *count as f64).collect());
    }
    Ok(report.with_table("confusion", table))
}

/// The error of a row without a field.
pub(super) fn missing(example: &Example, field: &str) -> EvalError {
    EvalError::MissingField { key: example.key.clone(), field: field.to_owned() }
}

/// The logarithm of the softmax of `logits` at `at`.
fn log_softmax(logits: &[f32], at: usize) -> f64 {
    let greatest = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - greatest).exp()).sum();
    f64::from(logits[at]) - greatest - sum.ln()
}
