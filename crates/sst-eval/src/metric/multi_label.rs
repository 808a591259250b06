//! Metrics of examples that have any number of classes.
//!
//! Labels and predictions are rows of `num_classes` truth values, one row an example, one after the other.

use super::class_counts::ClassCounts;
use super::error::{MetricError, check_length};

/// The counts of each class. [`Averages`](super::Averages) over them are taken over
/// [all classes](super::MacroOver::All), as in scikit-learn.
///
/// # Errors
/// [`MetricError::Length`] if labels and predictions differ in length or have a row that is not whole.
pub fn multi_label_counts(
    labels: &[bool],
    predictions: &[bool],
    num_classes: usize,
) -> Result<Vec<ClassCounts>, MetricError> {
    check_rows(labels, predictions, num_classes)?;
    let mut classes = vec![ClassCounts::default(); num_classes];
    for (at, (label, prediction)) in labels.iter().zip(predictions).enumerate() {
        let class = &mut classes[at % num_classes];
        class.gold += u64::from(*label);
        class.predicted += u64::from(*prediction);
        class.true_positives += u64::from(*label && *prediction);
    }
    Ok(classes)
}

/// The share of examples whose classes were all predicted, and no other class; `None` if there are no examples.
///
/// # Errors
/// As [`multi_label_counts`].
pub fn subset_accuracy(
    labels: &[bool],
    predictions: &[bool],
    num_classes: usize,
) -> Result<Option<f64>, MetricError> {
    check_rows(labels, predictions, num_classes)?;
    let rows = labels.chunks_exact(num_classes.max(1));
    let count = rows.len();
    let pairs = rows.zip(predictions.chunks_exact(num_classes.max(1)));
    let right = pairs.filter(|(labels, predictions)| labels == predictions).count();
    Ok((count > 0).then(|| right as f64 / count as f64))
}

/// The share of truth values that were predicted wrongly; `None` if there are none. Lower is better.
///
/// # Errors
/// As [`multi_label_counts`].
pub fn hamming_loss(
    labels: &[bool],
    predictions: &[bool],
    num_classes: usize,
) -> Result<Option<f64>, MetricError> {
    check_rows(labels, predictions, num_classes)?;
    let wrong = labels.iter().zip(predictions).filter(|(label, prediction)| label != prediction);
    Ok((!labels.is_empty()).then(|| wrong.count() as f64 / labels.len() as f64))
}

fn check_rows(
    labels: &[bool],
    predictions: &[bool],
    num_classes: usize,
) -> Result<(), MetricError> {
    let whole = labels.len().checked_rem(num_classes).map_or(0, |rest| labels.len() - rest);
    check_length("labels", labels.len(), whole)?;
    check_length("predictions", predictions.len(), labels.len())
}
