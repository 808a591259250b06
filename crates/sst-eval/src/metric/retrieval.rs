//! Retrieval metrics.
//!
//! `ranked` holds for each query the retrieved documents, best first and each once; `relevant` holds the relevant
//! documents. If the slices differ in length, the end of the longer one is ignored. A metric is the mean over the queries
//! that have a relevant document; `None` if no query has one. Only the first `k` retrieved documents count.

use std::collections::HashSet;

/// The recall: the fraction of the relevant documents that are among the first `k`.
pub fn recall_at_k(ranked: &[Vec<usize>], relevant: &[HashSet<usize>], k: usize) -> Option<f64> {
    mean(ranked, relevant, |ranked, relevant| {
        hits(ranked, relevant, k).count() as f64 / relevant.len() as f64
    })
}

/// The hit rate: the fraction of queries with a relevant document among the first `k`.
pub fn hit_rate_at_k(ranked: &[Vec<usize>], relevant: &[HashSet<usize>], k: usize) -> Option<f64> {
    mean(ranked, relevant, |ranked, relevant| hits(ranked, relevant, k).count().min(1) as f64)
}

/// The mean reciprocal rank: 1 divided by the rank of the first relevant document, or 0 if none is among the first `k`.
pub fn mrr_at_k(ranked: &[Vec<usize>], relevant: &[HashSet<usize>], k: usize) -> Option<f64> {
    mean(ranked, relevant, |ranked, relevant| {
        hits(ranked, relevant, k).next().map_or(0.0, |index| 1.0 / (index + 1) as f64)
    })
}

/// The normalised discounted cumulative gain (Jarvelin and Kekalainen 2002, "Cumulated Gain-Based Evaluation of IR
/// Techniques"): a relevant document at rank r has the gain `1 / log2(r + 1)`, and the sum of the gains is divided by the
/// largest sum that `k` documents can have.
pub fn ndcg_at_k(ranked: &[Vec<usize>], relevant: &[HashSet<usize>], k: usize) -> Option<f64> {
    let gain = |index: usize| 1.0 / ((index + 2) as f64).log2();
    mean(ranked, relevant, |ranked, relevant| {
        let ideal: f64 = (0..relevant.len().min(k)).map(gain).sum();
        let actual: f64 = hits(ranked, relevant, k).map(gain).sum();
        if ideal > 0.0 { actual / ideal } else { 0.0 }
    })
}

/// The mean average precision: the sum of the precisions at the ranks of the relevant documents among the first `k`,
/// divided by the number of relevant documents or by `k`, whichever is smaller.
pub fn map_at_k(ranked: &[Vec<usize>], relevant: &[HashSet<usize>], k: usize) -> Option<f64> {
    mean(ranked, relevant, |ranked, relevant| {
        let precisions = hits(ranked, relevant, k)
            .zip(1..)
            .map(|(index, num_hits)| f64::from(num_hits) / (index + 1) as f64);
        precisions.sum::<f64>() / relevant.len().min(k).max(1) as f64
    })
}

/// The rank, from 1, of the best of the documents for which `is_relevant` is true, by the scores of all documents. Documents
/// with equal scores count as if those that are not relevant came first, so that a model that gives all documents one score
/// finds nothing. `None` if no document is relevant.
pub fn best_rank(scores: &[f32], is_relevant: impl Fn(usize) -> bool) -> Option<usize> {
    let relevant = scores.iter().enumerate().filter(|(at, _)| is_relevant(*at));
    let best = relevant.map(|(_, score)| *score).max_by(f32::total_cmp)?;
    let before = |(at, score): &(usize, &f32)| **score >= best && !is_relevant(*at);
    Some(1 + scores.iter().enumerate().filter(before).count())
}

/// What a random order of `documents` documents, of which `relevant` are relevant, reaches on average as
/// [`hit_rate_at_k`]: `1 - C(documents - relevant, k) / C(documents, k)`. 0 if there is no relevant document.
pub fn chance_hit_rate_at_k(documents: usize, relevant: usize, k: usize) -> f64 {
    let others = documents.saturating_sub(relevant);
    // The probability that none of the first k is relevant.
    let miss = |at: usize| (others.saturating_sub(at)) as f64 / (documents - at) as f64;
    1.0 - (0..k.min(documents)).map(miss).product::<f64>()
}

/// What a random order of `documents` documents, of which `relevant` are relevant, reaches on average as the reciprocal
/// rank of the first relevant document. 0 if there is no relevant document.
pub fn chance_reciprocal_rank(documents: usize, relevant: usize) -> f64 {
    let others = documents.saturating_sub(relevant);
    if relevant == 0 {
        return 0.0;
    }
    // The probability that none of the documents before this rank is relevant.
    let mut none_before = 1.0;
    let mut sum = 0.0;
    for before in 0..=others.min(documents - 1) {
        let rest = (documents - before) as f64;
        sum += none_before * (relevant as f64 / rest) / (before + 1) as f64;
        none_before *= (others - before) as f64 / rest;
    }
    sum
}

/// The indices in `ranked`, from 0, of the relevant documents among the first `k`.
fn hits(ranked: &[usize], relevant: &HashSet<usize>, k: usize) -> impl Iterator<Item = usize> {
    let first_k = ranked.iter().take(k).enumerate();
    first_k.filter(|(_, document)| relevant.contains(document)).map(|(index, _)| index)
}

/// The mean of `metric` over the queries that have a relevant document.
fn mean(
    ranked: &[Vec<usize>],
    relevant: &[HashSet<usize>],
    metric: impl Fn(&[usize], &HashSet<usize>) -> f64,
) -> Option<f64> {
    let queries = ranked.iter().zip(relevant).filter(|(_, relevant)| !relevant.is_empty());
    let (sum, count) = queries.fold((0.0, 0_u64), |(sum, count), (ranked, relevant)| {
        (sum + metric(ranked, relevant), count + 1)
    });
    (count > 0).then(|| sum / count as f64)
}
