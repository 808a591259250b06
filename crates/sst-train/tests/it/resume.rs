//! An interrupted run equals an uninterrupted one, bit for bit.

use std::path::Path;

use serde_json::Value;
use sst_train::track::jsonl;
use sst_train::{FitConfig, Outcome, Precision, TrainError};

use crate::toy::{Run, config};

/// The rows of `metrics.jsonl` without what differs from run to run.
fn rows(folder: &Path) -> Vec<Value> {
    let rows = jsonl::read(&folder.join("metrics.jsonl")).unwrap();
    let steady = |key: &str| !key.starts_with("perf/") && key != "_timestamp";
    rows.into_iter()
        .map(|row| Value::Object(row.into_iter().filter(|(key, _)| steady(key)).collect()))
        .collect()
}

fn settings(total_steps: u64, precision: Precision) -> FitConfig {
    // Reports every 3 steps: step 10 lies between two of them.
    FitConfig { precision, eval_every: Some(5), ..config(total_steps) }
}

#[track_caller]
fn check(precision: Precision, micro: usize) {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut whole = Run::new(one.path());
    whole.micro_batch_size = micro;
    whole.fit(settings(20, precision)).unwrap();

    let mut first = Run::new(two.path());
    first.micro_batch_size = micro;
    first.stop_after = Some(11);
    let outcome = first.fit(settings(20, precision)).unwrap();
    let checkpoint = two.path().join("checkpoints/step-00000011");
    assert_eq!(outcome, Outcome::Stopped { step: 11, checkpoint: checkpoint.clone() });
    assert_eq!(
        std::fs::read_link(two.path().join("checkpoints/latest")).unwrap(),
        Path::new("step-00000011")
    );
    first.ledger.add("something", 3, None);

    let mut second = Run::new(two.path());
    second.micro_batch_size = micro;
    let outcome = second.resume(settings(20, precision)).unwrap();
    assert!(matches!(outcome, Outcome::Finished { step: 20, .. }), "{outcome:?}");
    assert_eq!(second.model.values(), whole.model.values());
    assert_eq!(second.objective.values(), whole.objective.values());
    for file in ["state/optimizer.safetensors", "state/objective.safetensors"] {
        let read = |folder: &Path| {
            std::fs::read(folder.join("checkpoints/step-00000020").join(file)).unwrap()
        };
        assert!(read(one.path()) == read(two.path()), "{file} differs");
    }
    assert_eq!(rows(one.path()), rows(two.path()));
    assert!(rows(one.path()).len() >= 9);
}

#[test]
fn a_stopped_run_goes_on_as_if_it_had_not_stopped() {
    check(Precision::Fp32, 8);
}

#[test]
fn so_does_one_with_micro_batches() {
    check(Precision::Fp32, 3);
}

#[test]
fn so_does_one_in_bf16() {
    check(Precision::Bf16, 8);
}

#[test]
fn ten_and_ten_are_twenty() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut whole = Run::new(one.path());
    whole.fit(config(20)).unwrap();
    Run::new(two.path()).fit(config(10)).unwrap();
    let mut second = Run::new(two.path());
    second.resume(config(20)).unwrap();
    assert_eq!(second.model.values(), whole.model.values());
    assert_eq!(second.objective.values(), whole.objective.values());
}

#[test]
fn the_seed_alone_decides() {
    let loss = |seed| {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::new(folder.path());
        run.fit(FitConfig { seed, log_every: 1, ..config(2) }).unwrap();
        rows(folder.path()).iter().map(|row| row["train/loss"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(loss(1), loss(1));
    assert_ne!(loss(1), loss(2));
}

#[test]
fn rows_after_the_resumed_step_are_taken_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fit(FitConfig { log_every: 1, save_every: Some(4), keep: 0, ..config(8) }).unwrap();
    // The last checkpoint is lost, and a crash cut the last row off.
    std::fs::remove_dir_all(run.saver().path(8)).unwrap();
    let path = folder.path().join("metrics.jsonl");
    let mut text = std::fs::read(&path).unwrap();
    text.truncate(text.len() - 9);
    sst_data::atomic::write(&path, &text).unwrap();

    let mut again = Run::new(folder.path());
    again.resume(FitConfig { log_every: 1, ..config(6) }).unwrap();
    let steps: Vec<u64> = rows(folder.path())
        .iter()
        .filter(|row| row.get("train/loss").is_some())
        .map(|row| row["_step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn a_finished_run_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let first = Run::new(folder.path()).fit(config(4)).unwrap();
    let mut again = Run::new(folder.path());
    assert_eq!(again.resume(config(4)).unwrap(), first);
}

#[test]
fn another_seed_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Run::new(folder.path()).fit(config(4)).unwrap();
    let error = Run::new(folder.path()).resume(FitConfig { seed: 8, ..config(9) }).unwrap_err();
    assert!(matches!(error, TrainError::Resume { .. }), "{error}");
    assert!(error.to_string().contains("run.seed = 7"), "{error}");
}

#[test]
fn the_ledger_is_the_checkpoints_and_counts_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.ledger.add("rows.cut", 3, None);
    run.fit(config(2)).unwrap();
    let mut again = Run::new(folder.path());
    // Preparing the data again counted it again.
    again.ledger.add("rows.cut", 3, None);
    again.resume(config(4)).unwrap();
    assert_eq!(again.ledger.count("rows.cut"), 3);
}
