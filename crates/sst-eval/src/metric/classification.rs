//! Metrics of choosing one class among many.

use std::collections::HashMap;

/// The share of `predictions` that equal their label; `None` if there are none.
///
/// The slices are read side by side, up to the shorter one's end.
pub fn accuracy(labels: &[i64], predictions: &[i64]) -> Option<f64> {
    top_k_accuracy(labels, predictions, 1, 1)
}

/// The share of labels that are among their first `k` candidates; `None` if there are none.
///
/// `ranked` holds `kept` candidates a label, best first, one label's after the other's. Only the first
/// `kept` can be looked at, so a larger `k` changes nothing.
pub fn top_k_accuracy(labels: &[i64], ranked: &[i64], kept: usize, k: usize) -> Option<f64> {
    let candidates = ranked.chunks_exact(kept.max(1));
    let (mut right, mut all) = (0_u64, 0_u64);
    for (label, candidates) in labels.iter().zip(candidates) {
        all += 1;
        right += u64::from(candidates.iter().take(k).any(|candidate| candidate == label));
    }
    (all > 0).then(|| right as f64 / all as f64)
}

/// The commonest label and its share, the smaller label where two are as common; `None` if there are
/// none. A classifier that always says the same cannot do better.
pub fn commonest(labels: &[i64]) -> Option<(i64, f64)> {
    let mut counts: HashMap<i64, u64> = HashMap::new();
    for label in labels {
        *counts.entry(*label).or_default() += 1;
    }
    let best = counts.into_iter().max_by_key(|(label, count)| (*count, std::cmp::Reverse(*label)));
    best.map(|(label, count)| (label, count as f64 / labels.len() as f64))
}
