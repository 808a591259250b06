//! Metrics of finding documents.
//!
//! `ranked` has for each query the documents that were found, best first and each once; `relevant` those that should
//! be. Both are read side by side, up to the shorter one's end. A figure is the mean over the queries; queries that no
//! document is relevant to are left out, and without any other there is no figure. With `k` the first so many of the
//! found documents count; a `k` of 0 finds nothing.

use std::collections::HashSet;

/// The share of the relevant documents that are among the first `k`.
pub fn recall_at_k(ranked: &[Vec<usize>], relevant: &[HashSet<usize>], k: usize) -> Option<f64> {
    mean(ranked, relevant, |ranked, relevant| {
        hits(ranked, relevant, k).count() as f64 / relevant.len() as f64
    })
}

/// The share of queries with a relevant document among the first `k`.
pub fn hit_rate_at_k(ranked: &[Vec<usize>], relevant: &[HashSet<usize>], k: usize) -> Option<f64> {
    mean(ranked, relevant, |ranked, relevant| hits(ranked, relevant, k).count().min(1) as f64)
}

/// The mean reciprocal rank: one divided by the rank of the first relevant document, 0 if it is not among the first
/// `k`.
pub fn mrr_at_k(ranked: &[Vec<usize>], relevant: &[HashSet<usize>], k: usize) -> Option<f64> {
    mean(ranked, relevant, |ranked, relevant| {
        hits(ranked, relevant, k).next().map_or(0.0, |place| 1.0 / (place + 1) as f64)
    })
}

/// The normalised discounted cumulative gain (Jarvelin and Kekalainen 2002, "Cumulated Gain-Based Evaluation of IR
/// Techniques"): a relevant document at rank r counts `1 / log2(r + 1)`, and the sum is divided by the largest that
/// `k` documents can have.
pub fn ndcg_at_k(ranked: &[Vec<usize>], relevant: &[HashSet<usize>], k: usize) -> Option<f64> {
    let gain = |place: usize| 1.0 / ((place + 2) as f64).log2();
    mean(ranked, relevant, |ranked, relevant| {
        let ideal: f64 = (0..relevant.len().min(k)).map(gain).sum();
        let found: f64 = hits(ranked, relevant, k).map(gain).sum();
        if ideal > 0.0 { found / ideal } else { 0.0 }
    })
}

/// The mean average precision: the precision at each relevant document among the first `k`, summed and divided by how
/// many there could be.
pub fn map_at_k(ranked: &[Vec<usize>], relevant: &[HashSet<usize>], k: usize) -> Option<f64> {
    mean(ranked, relevant, |ranked, relevant| {
        let precisions = hits(ranked, relevant, k)
            .zip(1..)
            .map(|(place, hit)| f64::from(hit) / (place + 1) as f64);
        precisions.sum::<f64>() / relevant.len().min(k).max(1) as f64
    })
}

/// The places, from 0, of the relevant documents among the first `k`.
fn hits(ranked: &[usize], relevant: &HashSet<usize>, k: usize) -> impl Iterator<Item = usize> {
    let first = ranked.iter().take(k).enumerate();
    first.filter(|(_, document)| relevant.contains(document)).map(|(place, _)| place)
}

fn mean(
    ranked: &[Vec<usize>],
    relevant: &[HashSet<usize>],
    figure: impl Fn(&[usize], &HashSet<usize>) -> f64,
) -> Option<f64> {
    let queries = ranked.iter().zip(relevant).filter(|(_, relevant)| !relevant.is_empty());
    let (sum, count) = queries.fold((0.0, 0_u64), |(sum, count), (ranked, relevant)| {
        (sum + figure(ranked, relevant), count + 1)
    });
    (count > 0).then(|| sum / count as f64)
}
