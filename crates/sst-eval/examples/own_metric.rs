//! A metric of one's own beside two of the crate, on the results of a search:
//! `cargo run -p sst-eval --example own_metric`

use std::collections::HashSet;

use sst_eval::Report;
use sst_eval::metric::{mrr_at_k, ndcg_at_k};

/// The median over the queries of the rank, from 1, of the first relevant document; infinite where none was found. `None`
/// without queries. `ranked` has the documents that were found for each query, best first, and `relevant` those that
/// should be.
pub fn median_rank(ranked: &[Vec<usize>], relevant: &[HashSet<usize>]) -> Option<f64> {
    let first = |(found, relevant): (&Vec<usize>, &HashSet<usize>)| {
        let place = found.iter().position(|document| relevant.contains(document));
        place.map_or(f64::INFINITY, |place| (place + 1) as f64)
    };
    let mut ranks: Vec<f64> = ranked.iter().zip(relevant).map(first).collect();
    ranks.sort_by(f64::total_cmp);
    let upper = *ranks.get(ranks.len() / 2)?;
    let lower = ranks[(ranks.len() - 1) / 2];
    Some((lower + upper) / 2.0)
}

/// The figures of a search; those that cannot be computed are left out.
pub fn report(ranked: &[Vec<usize>], relevant: &[HashSet<usize>]) -> Report {
    let figures = [
        ("mrr@10", mrr_at_k(ranked, relevant, 10)),
        ("ndcg@10", ndcg_at_k(ranked, relevant, 10)),
        ("median_rank", median_rank(ranked, relevant)),
    ];
    let figures = figures.into_iter().filter_map(|(name, figure)| Some((name, figure?)));
    Report::new("search", figures, [("queries", ranked.len() as u64)])
}

#[allow(clippy::print_stdout, reason = "an example may print")]
fn main() {
    // Three queries; the relevant documents are at ranks 1, 4 and 2.
    let ranked = [vec![3, 0, 1, 2], vec![2, 1, 0, 3], vec![0, 1, 3, 2]];
    let relevant = [HashSet::from([3]), HashSet::from([3]), HashSet::from([1])];
    println!("{}", report(&ranked, &relevant).to_json());
}
