//! Runs the example programs of the crate.

use std::collections::HashSet;

#[allow(dead_code, unreachable_pub, reason = "a program of its own")]
#[path = "../../examples/own_evaluator.rs"]
mod own_evaluator;
#[allow(dead_code, unreachable_pub, reason = "a program of its own")]
#[path = "../../examples/own_metric.rs"]
mod own_metric;

#[test]
fn the_example_measures_a_model() {
    let report = own_evaluator::measure().unwrap();
    assert_eq!((report.name.as_str(), report.counts["rows"]), ("word-order", 2));
    // Even with random weights, the position embeddings change the vector a little.
    let cosine = report.metrics["cosine"];
    assert!(cosine > 0.5 && cosine < 1.0 - 1e-6, "{cosine}");
    assert!((own_evaluator::cosine(&[3.0, 4.0], &[4.0, 3.0]) - 0.96).abs() < 1e-12);
}

#[test]
fn the_example_has_a_metric_of_its_own() {
    // The relevant documents are at ranks 1, 4, 2 and 2; the last query has none among those that were found.
    let ranked = [vec![3, 0, 1, 2], vec![2, 1, 0, 3], vec![0, 1], vec![1, 0], vec![5]];
    let relevant = [3, 3, 1, 0, 0].map(|document| HashSet::from([document]));
    let report = own_metric::report(&ranked[..4], &relevant[..4]);
    assert_eq!((report.name.as_str(), report.counts["queries"]), ("search", 4));
    assert_eq!((report.metrics["median_rank"], report.metrics["mrr@10"]), (2.0, 2.25 / 4.0));
    let ndcg = (1.0 + 1.0 / 5_f64.log2() + 2.0 / 3_f64.log2()) / 4.0;
    assert!((report.metrics["ndcg@10"] - ndcg).abs() < 1e-12, "{:?}", report.metrics);
    let median = |queries: &[usize]| {
        let ranked: Vec<_> = queries.iter().map(|query| ranked[*query].clone()).collect();
        let relevant: Vec<_> = queries.iter().map(|query| relevant[*query].clone()).collect();
        own_metric::median_rank(&ranked, &relevant)
    };
    assert_eq!(median(&[]), None);
    assert_eq!((median(&[0, 1]), median(&[0, 1, 4])), (Some(2.5), Some(4.0)));
    assert_eq!(median(&[1, 4]), Some(f64::INFINITY));
    assert!(own_metric::report(&[], &[]).metrics.is_empty());
}
