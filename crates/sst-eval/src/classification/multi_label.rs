//! Texts of any number of classes.

use sst_core::{Model, Report, Table};

use super::ENTRY;
use super::single_label::missing;
use crate::error::EvalError;
use crate::input::RecordRows;
use crate::intervals::Intervals;
use crate::metric::{
    Averages, MacroOver, hamming_loss, multi_label_counts, roc_auc_multi_label, subset_accuracy,
    wilson_interval,
};
use crate::predict::ClassScorer;

/// Measures a head that predicts any number of classes a text: those with a probability above one half.
pub(super) fn measure(
    scorer: &ClassScorer,
    model: &dyn Model,
    data: &RecordRows,
    classes: &[i64],
    intervals: &Intervals,
) -> Result<Report, EvalError> {
    let width = scorer.names().len();
    let (mut labels, mut predictions, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    scorer.for_each(model, &*data.rows, &mut |example, scored| {
        let gold = example.ints("labels").ok_or_else(|| missing(example, "labels"))?;
        let mut row = vec![false; width];
        for label in gold {
            let class = classes.get(*label as usize).ok_or_else(|| missing(example, "labels"))?;
            row[*class as usize] = true;
        }
        labels.extend(row);
        predictions.extend(scored.logits.iter().map(|logit| *logit > 0.0));
        scores.extend(scored.scores);
        Ok(())
    })?;
    let rows = labels.len() / width.max(1);
    let Some(subset) = subset_accuracy(&labels, &predictions, width)? else {
        return Err(EvalError::Nothing(ENTRY.name.to_owned()));
    };
    let mut metrics = vec![("subset_accuracy".to_owned(), subset)];
    let correct = (subset * rows as f64).round() as u64;
    if let Some(interval) = wilson_interval(correct, rows as u64, 0.95)? {
        metrics.push(("subset_accuracy_low".to_owned(), interval.low));
        metrics.push(("subset_accuracy_high".to_owned(), interval.high));
    }
    metrics.extend(
        hamming_loss(&labels, &predictions, width)?.map(|loss| ("hamming_loss".to_owned(), loss)),
    );
    let averages = |sample: &[usize]| {
        let pick = |of: &[bool]| {
            sample
                .iter()
                .flat_map(|at| of[at * width..(at + 1) * width].to_vec())
                .collect::<Vec<_>>()
        };
        let counts = multi_label_counts(&pick(&labels), &pick(&predictions), width).ok()?;
        Some(Averages::new(&counts, MacroOver::All))
    };
    intervals.add(&mut metrics, "micro_f1", rows, |sample| {
        averages(sample).map(|averages| averages.micro_average.f1)
    })?;
    intervals.add(&mut metrics, "macro_f1", rows, |sample| {
        averages(sample).map(|averages| averages.macro_average.f1)
    })?;
    let areas = roc_auc_multi_label(&labels, &scores, width)?;
    metrics.extend(areas.macro_average.map(|area| ("roc_auc".to_owned(), area)));
    let counts = multi_label_counts(&labels, &predictions, width)?;
    let mut table = Table::new(&["precision", "recall", "f1", "labels", "predictions"]);
    for (name, counts) in scorer.names().iter().zip(&counts) {
        let scores = counts.scores();
        let (gold, predicted) = (counts.gold as f64, counts.predicted as f64);
        table.push(name, vec![scores.precision, scores.recall, scores.f1, gold, predicted]);
    }
    let averages = Averages::new(&counts, MacroOver::All);
    let counts = [
        ("texts", rows as u64),
        ("classes_without_labels", averages.without_gold as u64),
        ("classes_without_predictions", averages.without_predictions as u64),
        ("classes_without_roc_auc", areas.left_out as u64),
    ];
    let metrics = metrics.iter().map(|(name, value)| (&**name, *value));
    let texts = labels.chunks(width).zip(predictions.chunks(width));
    let right = texts.map(|(labels, found)| (f64::from(u8::from(labels == found)), 1.0));
    Ok(Report::new(ENTRY.name, metrics, counts)
        .with_table("classes", table)
        .with_examples("subset_accuracy", right))
}
