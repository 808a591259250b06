//! The mask accuracy of models with known predictions.

use std::sync::Arc;

use serde_json::json;
use sst_eval::{EvalError, Report, build};

use crate::toy::{Fixed, Rows, eval_error, every_third, terms_give_figures};

fn measure(model: &Fixed, rows: Vec<Vec<u32>>, batch_size: usize) -> Result<Report, EvalError> {
    let input = every_third(Arc::new(Rows(rows)));
    let mut evaluator = build("mask-accuracy", &json!({ "batch_size": batch_size }), input)?;
    evaluator.evaluate(model, None).map_err(eval_error).inspect(terms_give_figures)
}

fn rows() -> Vec<Vec<u32>> {
    // The masked tokens are 7 3 / 7 7 / 5 3.
    vec![vec![1, 7, 2, 2, 3], vec![1, 7, 2, 2, 7], vec![1, 5, 2, 2, 3]]
}

#[test]
fn a_model_that_always_predicts_the_most_frequent_token_gets_the_baseline_accuracy() {
    for batch_size in [1, 2, 64] {
        let report = measure(&Fixed::favouring(10, 7, 3.0), rows(), batch_size).unwrap();
        assert_eq!(report.metrics["mask_accuracy"], 0.5);
        assert_eq!(report.metrics["commonest_token_accuracy"], 0.5);
        assert_eq!((report.counts["rows"], report.counts["masked_tokens"]), (3, 6));
    }
}

#[test]
fn the_accuracy_of_a_constant_prediction_is_the_frequency_of_the_token() {
    let report = measure(&Fixed::favouring(10, 5, 3.0), rows(), 2).unwrap();
    assert!((report.metrics["mask_accuracy"] - 1.0 / 6.0).abs() < 1e-12);
}

#[test]
fn top5_accuracy_counts_the_five_most_probable_tokens() {
    // The most probable tokens are 9 8 7 6 5.
    let logits: Vec<f32> = (0..10).map(|i| i as f32).collect();
    let report = measure(&Fixed::new(&logits), rows(), 2).unwrap();
    assert_eq!(report.metrics["mask_accuracy"], 0.0);
    assert!((report.metrics["mask_accuracy_top5"] - 4.0 / 6.0).abs() < 1e-12);
}

#[test]
fn a_uniform_model_has_the_perplexity_of_its_vocabulary_size() {
    let report = measure(&Fixed::uniform(10), rows(), 2).unwrap();
    assert!((report.metrics["loss"] - 10_f64.ln()).abs() < 1e-6);
    assert!((report.metrics["perplexity"] - 10.0).abs() < 1e-4);
}

#[test]
fn rows_without_a_masked_token_are_an_error() {
    let error = measure(&Fixed::uniform(10), vec![vec![1], vec![2]], 2).unwrap_err();
    assert!(error.to_string().contains("mask-accuracy has nothing to measure"), "{error}");
}

#[test]
fn an_error_about_an_unknown_token_id_names_the_row() {
    let error = measure(&Fixed::uniform(10), vec![vec![1, 2, 3], vec![1, 10, 3]], 2).unwrap_err();
    let is_unknown_token = matches!(&error, EvalError::UnknownToken { id: 10, vocab_size: 10, .. });
    assert!(is_unknown_token && error.to_string().contains("toy:2"), "{error}");
}

#[test]
fn the_report_has_a_json_form() {
    let json = measure(&Fixed::uniform(10), rows(), 2).unwrap().to_json();
    assert_eq!((&json["version"], &json["name"]), (&1.into(), &"mask-accuracy".into()));
    assert_eq!(json["counts"]["masked_tokens"], 6);
    assert!(json["metrics"]["mask_accuracy"].is_f64());
}
