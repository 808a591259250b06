//! Runs the example of the crate.

#[allow(dead_code, reason = "its `main` is for the command line")]
#[path = "../../examples/batch_loss.rs"]
mod batch_loss;

use crate::toy;

#[test]
fn the_example_has_the_loss_of_a_model_that_knows_nothing() {
    let texts: Vec<String> = (0..40).map(toy::sentence).collect();
    let some = batch_loss::run(&texts, 0.2).unwrap();
    // Random weights give every token about the same probability.
    let uniform = (some.vocab_size as f64).ln();
    assert!((some.mean - uniform).abs() < 0.1, "{} {uniform}", some.mean);
    // Every token but `[CLS]` and `[SEP]` may be masked.
    let all = batch_loss::run(&texts, 1.0).unwrap();
    let share = some.masked as f64 / all.masked as f64;
    assert!(all.masked >= 40 * 12 && (0.15..0.25).contains(&share), "{share} of {}", all.masked);
    let error = batch_loss::run(&[], 0.2).map(|loss| loss.mean).unwrap_err();
    assert!(error.to_string().contains("text"), "{error}");
}
