//! Metrics of single-label classification.

use std::collections::HashMap;

/// The fraction of `predictions` that equal their label; `None` if there are none.
///
/// If the slices differ in length, the end of the longer one is ignored.
pub fn accuracy(labels: &[i64], predictions: &[i64]) -> Option<f64> {
    top_k_accuracy(labels, predictions, 1, 1)
}

/// The fraction of labels that are among the first `k` predictions for them; `None` if there are no labels.
///
/// `ranked` holds `per_label` predictions for each label, best first, concatenated. A `k` above `per_label` has the same
/// result as `per_label`.
pub fn top_k_accuracy(labels: &[i64], ranked: &[i64], per_label: usize, k: usize) -> Option<f64> {
    let predictions = ranked.chunks_exact(per_label.max(1));
    let (mut correct, mut count) = (0_u64, 0_u64);
    for (label, predictions) in labels.iter().zip(predictions) {
        count += 1;
        correct += u64::from(predictions.iter().take(k).any(|prediction| prediction == label));
    }
    (count > 0).then(|| correct as f64 / count as f64)
}

/// The most frequent label and its fraction of all labels; `None` if there are none. Of equally frequent labels, the
/// smallest is returned. The fraction is the accuracy of the majority-class baseline.
pub fn commonest(labels: &[i64]) -> Option<(i64, f64)> {
    let mut counts: HashMap<i64, u64> = HashMap::new();
    for label in labels {
        *counts.entry(*label).or_default() += 1;
    }
    let most_frequent =
        counts.into_iter().max_by_key(|(label, count)| (*count, std::cmp::Reverse(*label)));
    most_frequent.map(|(label, count)| (label, count as f64 / labels.len() as f64))
}
