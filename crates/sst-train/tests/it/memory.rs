//! When memory runs out, a run continues with smaller micro-batches and the same result.

use sst_data::{NamesSettings, setting};
use sst_train::{Fault, FitConfig, TrainError};

use crate::toy::{Count, Run, Toy, config};

/// The weights after five steps with micro-batches of `micro` rows.
fn five_steps(fault: Option<Fault>, micro: usize, dropout: f64) -> Vec<(String, Vec<f32>)> {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.model = Toy::new(dropout);
    run.micro_batch_size = micro;
    run.fault = fault;
    run.fit(config(5)).unwrap();
    run.model.values()
}

/// If the memory suffices for `rows` rows, a run with batches of 8 rows equals one with micro-batches of `micro` rows.
#[track_caller]
fn check(rows: usize, micro: usize) {
    let split = five_steps(Some(Fault::OutOfMemory { step: 1, rows }), 8, 0.2);
    assert_eq!(split, five_steps(None, micro, 0.2), "memory for {rows} rows");
}

#[test]
fn batches_are_halved_until_they_fit() {
    check(8, 8);
    check(7, 4);
    check(4, 4);
    check(3, 2);
    check(1, 1);
}

#[test]
fn a_step_that_begins_again_gives_the_same_gradient() {
    let split = five_steps(Some(Fault::OutOfMemory { step: 3, rows: 2 }), 4, 0.0);
    for ((name, a), (_, b)) in split.iter().zip(&five_steps(None, 4, 0.0)) {
        for (a, b) in a.iter().zip(b) {
            assert!((a - b).abs() < 2e-5, "{name}: {a} and {b}");
        }
    }
}

#[test]
fn each_halving_is_counted_in_the_ledger_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fault = Some(Fault::OutOfMemory { step: 2, rows: 3 });
    run.fit(config(5)).unwrap();
    let entry = &run.ledger.entries()["train.out_of_memory"];
    assert_eq!(entry.count, 2, "from 8 to 4 rows and from 4 to 2, in step 2 alone");
    assert!(entry.first.as_ref().unwrap().starts_with("rows.txt:"), "{entry:?}");
    assert_eq!(run.saver().checkpoint(5).state().unwrap().halvings, 2);
}

#[test]
fn a_run_ends_if_memory_does_not_suffice_for_one_row() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fault = Some(Fault::OutOfMemory { step: 2, rows: 0 });
    let error = run.fit(FitConfig { save_every: Some(1), ..config(3) }).unwrap_err();
    let text = error.to_string();
    let TrainError::OutOfMemory { step: 2, keys, .. } = error else { panic!("{text}") };
    assert_eq!(keys.len(), 8);
    assert!(text.contains("one row at a time") && text.contains("rows.txt:"), "{text}");
    assert_eq!(run.saver().latest_good().unwrap().unwrap().step(), 1);
}

#[test]
fn the_batch_of_a_loss_over_the_whole_batch_is_not_split() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.objective.count = Count::Whole;
    run.fault = Some(Fault::OutOfMemory { step: 1, rows: 4 });
    let before = run.model.values();
    let error = run.fit(config(1)).unwrap_err();
    assert!(matches!(error, TrainError::WholeBatchMemory { step: 1, .. }), "{error}");
    assert_eq!(error.settings(), [setting::BATCH_SIZE]);
    assert_eq!(run.model.values(), before);
}
