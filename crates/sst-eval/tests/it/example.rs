//! Runs the example program of the crate.

#[allow(dead_code, unreachable_pub, reason = "a program of its own")]
#[path = "../../examples/own_evaluator.rs"]
mod own_evaluator;

#[test]
fn the_example_measures_a_model() {
    let report = own_evaluator::measure().unwrap();
    assert_eq!((report.name.as_str(), report.counts["rows"]), ("word-order", 2));
    // Even with random weights, the position embeddings change the vector a little.
    let cosine = report.metrics["cosine"];
    assert!(cosine > 0.5 && cosine < 1.0 - 1e-6, "{cosine}");
    assert!((own_evaluator::cosine(&[3.0, 4.0], &[4.0, 3.0]) - 0.96).abs() < 1e-12);
}
