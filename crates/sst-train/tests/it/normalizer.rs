//! The normaliser: the number that the summed loss of a step is divided by.

use sst_core::Event;
use sst_data::{NamesSettings, setting};
use sst_train::{FitConfig, TrainError};

use crate::toy::{Count, Run, Toy, config};

/// The weights after three steps of 8 rows in micro-batches of `micro` rows, and the logged losses.
fn three_steps(micro: usize) -> (Vec<(String, Vec<f32>)>, Vec<f64>) {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    // There is no dropout, because its random draws depend on the shape of a micro-batch.
    run.model = Toy::new(0.0);
    run.micro_batch_size = micro;
    run.fit(FitConfig { log_every: 1, ..config(3) }).unwrap();
    let events = run.record.0.lock().unwrap();
    let losses = events.iter().filter_map(|event| match event {
        Event::Step { metrics, .. } => Some(metrics["loss"]),
        _ => None,
    });
    (run.model.values(), losses.collect())
}

#[test]
fn accumulation_changes_nothing() {
    let (whole, losses) = three_steps(8);
    assert_eq!(losses.len(), 3);
    for micro in [1, 2, 3, 4] {
        let (parts, other_losses) = three_steps(micro);
        for ((name, a), (_, b)) in whole.iter().zip(&parts) {
            for (a, b) in a.iter().zip(b) {
                assert!((a - b).abs() < 2e-5, "{name} with micro-batches of {micro}: {a} and {b}");
            }
        }
        for (a, b) in losses.iter().zip(&other_losses) {
            assert!((a - b).abs() < 1e-5, "losses {losses:?} and {other_losses:?}");
        }
    }
}

#[test]
fn a_loss_over_the_whole_batch_is_not_accumulated() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.objective.count = Count::Whole;
    run.micro_batch_size = 4;
    let before = run.model.values();
    let error = run.fit(config(1)).unwrap_err();
    assert!(matches!(error, TrainError::WholeBatch { micro: 2, .. }), "{error}");
    assert_eq!(error.settings(), [setting::MICRO_BATCH_SIZE, setting::BATCH_SIZE]);
    assert_eq!(run.model.values(), before);
}

#[test]
fn a_loss_over_the_whole_batch_is_not_divided() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.objective.count = Count::Whole;
    run.fit(config(1)).unwrap();
    let events = run.record.0.lock().unwrap();
    let Some(Event::Step { metrics, .. }) = events.iter().find(|e| matches!(e, Event::Step { .. }))
    else {
        panic!("nothing was logged")
    };
    // The toy's loss is a sum over 64 tokens. Their mean would be below 64.
    assert!(metrics["loss"] > 64.0, "{metrics:?}");
}

#[test]
fn a_step_whose_normaliser_is_zero_is_counted_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.objective.count = Count::Nothing;
    let before = run.model.values();
    run.fit(config(2)).unwrap();
    assert_eq!(run.ledger.count("train.steps_without_units"), 2);
    assert!(run.ledger.entries()["train.steps_without_units"].first.is_some());
    assert_eq!(run.model.values(), before);
}
