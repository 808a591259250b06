//! The held-out loss divides sums by the normalizers of all batches, so it does not depend on the batch size.

use std::sync::Arc;

use serde_json::json;
use sst_core::{Batch, LossParts, Model, Objective, Result, StepContext};
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Normalizer};
use sst_eval::{EvalError, Evaluator, Input, ObjectiveRows, build};
use tch::Kind;

use crate::toy::{EveryThird, Fixed, Rows, eval_error, every_third};

fn rows() -> Arc<Rows> {
    // The masked tokens are 7 3 / 7 7 / 5 3. Half of them are 7.
    Arc::new(Rows(vec![vec![1, 7, 2, 2, 3], vec![1, 7, 2, 2, 7], vec![1, 5, 2, 2, 3]]))
}

fn held_out(rows: Arc<Rows>, batch_size: usize) -> Box<dyn Evaluator> {
    build("held-out-loss", &json!({ "batch_size": batch_size }), every_third(rows)).unwrap()
}

#[test]
fn loss_and_sums_are_means_over_masked_tokens() {
    let model = Fixed::favouring(10, 7, 2.0);
    // The mean of -ln p of the favourite and of any other token, which are equally frequent.
    let total = 2_f64.exp() + 9.0;
    let expected = 0.5 * (total.ln() - 2.0) + 0.5 * total.ln();
    for batch_size in [1, 2, 3, 64] {
        let report = held_out(rows(), batch_size).evaluate(&model, Some(&EveryThird)).unwrap();
        assert!((report.metrics["loss"] - expected).abs() < 1e-6, "{batch_size}: {report:?}");
        assert_eq!(report.metrics["correct"], 0.5, "{batch_size}");
        assert_eq!((report.counts["rows"], report.counts["units"]), (3, 6));
    }
}

#[test]
fn the_evaluator_has_the_name_of_the_objective() {
    let mut held_out = held_out(rows(), 2);
    assert_eq!(held_out.name(), "every-third");
    let report = held_out.evaluate(&Fixed::uniform(10), Some(&EveryThird)).unwrap();
    assert_eq!(report.name, "every-third");
    assert!((report.metrics["loss"] - 10_f64.ln()).abs() < 1e-6);
}

#[test]
fn nothing_to_measure_is_an_error() {
    let model = Fixed::uniform(10);
    let error =
        held_out(Arc::new(Rows(vec![])), 2).evaluate(&model, Some(&EveryThird)).unwrap_err();
    assert!(error.to_string().contains("every-third has nothing to measure"), "{error}");
}

#[test]
fn a_call_without_the_objective_is_an_error() {
    let error = held_out(rows(), 2).evaluate(&Fixed::uniform(10), None).unwrap_err();
    assert!(matches!(eval_error(error), EvalError::NoObjective("held-out-loss")));
}

/// A loss over the whole batch: the mean of the first tokens of the rows.
struct MeanOfFirst;

impl Collate for MeanOfFirst {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let first = |example: &Example| example.tokens("input_ids").unwrap()[0] as f32;
        let values = examples.iter().map(first).collect();
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let batch = HostBatch::new(Normalizer::WholeBatch, keys);
        Ok(batch.with("values", &[examples.len()], ArrayData::F32(values))?)
    }
}

impl Objective for MeanOfFirst {
    fn name(&self) -> &'static str {
        "mean-of-first"
    }

    fn collate(&self) -> Arc<dyn Collate> {
        Arc::new(Self)
    }

    fn loss(&self, _: &dyn Model, batch: &Batch, _: &StepContext) -> Result<LossParts> {
        let values = batch.get("values")?;
        let accuracy = values.gt(1.0).mean(Kind::Float);
        Ok(LossParts { loss: values.mean(Kind::Float), sums: vec![("accuracy", accuracy)] })
    }
}

fn whole_batches(firsts: &[u32], batch_size: usize) -> sst_core::Result<sst_eval::Report> {
    let rows = Arc::new(Rows(firsts.iter().map(|first| vec![*first, 2]).collect()));
    let collate: Arc<dyn Collate> = Arc::new(MeanOfFirst);
    let input = ObjectiveRows { objective: "mean-of-first".to_owned(), collate, rows };
    let config = json!({ "batch_size": batch_size });
    let mut evaluator = build("held-out-loss", &config, Input::ObjectiveRows(input)).unwrap();
    evaluator.evaluate(&Fixed::uniform(10), Some(&MeanOfFirst))
}

#[test]
fn losses_over_whole_batches_count_each_row_once() {
    let firsts = [1, 1, 1, 1, 1, 1, 8];
    for batch_size in [2, 3, 4, 6, 7, 64] {
        let report = whole_batches(&firsts, batch_size).unwrap();
        assert!((report.metrics["loss"] - 2.0).abs() < 1e-6, "{batch_size}: {report:?}");
        assert!((report.metrics["accuracy"] - 1.0 / 7.0).abs() < 1e-6, "{batch_size}");
        assert_eq!((report.counts["rows"], report.counts["units"]), (7, 7));
    }
}

#[test]
fn a_row_that_no_other_is_compared_with_is_an_error() {
    for (firsts, batch_size) in [(&[1][..], 64), (&[1, 2], 1)] {
        let error = eval_error(whole_batches(firsts, batch_size).unwrap_err());
        assert!(matches!(error, EvalError::OneRow { .. }), "{error}");
    }
}
