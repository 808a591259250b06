//! A run that was interrupted and resumed equals an uninterrupted one, bit for bit.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use sst_train::track::jsonl;
use sst_train::{
    EmaConfig, Fault, FitConfig, LossScaling, Outcome, Precision, StopReason, TrainError,
};

use crate::toy::{Run, config, keep};

/// The rows of `metrics.jsonl`, without times and speeds, which differ from run to run.
fn rows(folder: &Path) -> Vec<Value> {
    let rows = jsonl::read(&folder.join("metrics.jsonl")).unwrap();
    let is_compared = |key: &str| !key.starts_with("perf/") && key != "_timestamp";
    rows.into_iter()
        .map(|row| Value::Object(row.into_iter().filter(|(key, _)| is_compared(key)).collect()))
        .collect()
}

fn settings(total_steps: u64) -> FitConfig {
    // Reports come every 3 steps, so that the run is interrupted between two reports.
    FitConfig { eval_every: Some(5), ..config(total_steps) }
}

/// Compares a run of twenty steps with one that is asked to stop during step 11 and resumed. `vary` changes both runs.
#[track_caller]
fn check(config: FitConfig, vary: impl Fn(&mut Run<'_>)) {
    check_stopped(StopReason::Asked, config, vary);
}

/// As [`check`], for a run that stops for `reason`.
#[track_caller]
fn check_stopped(reason: StopReason, config: FitConfig, vary: impl Fn(&mut Run<'_>)) {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut whole = Run::new(one.path());
    vary(&mut whole);
    whole.fit(config.clone()).unwrap();

    let mut first = Run::new(two.path());
    vary(&mut first);
    let max_tokens = match reason {
        StopReason::MaxTokens => Some(11 * 64),
        _ => {
            first.stop_after = Some(11);
            None
        }
    };
    let outcome = first.fit(FitConfig { max_tokens, ..config.clone() }).unwrap();
    let checkpoint = two.path().join("checkpoints/step-00000011");
    assert_eq!(outcome, Outcome::Stopped { reason, step: 11, checkpoint });
    assert_eq!(
        std::fs::read_link(two.path().join("checkpoints/latest")).unwrap(),
        Path::new("step-00000011")
    );
    first.ledger.add("something", 3, None);

    let mut second = Run::new(two.path());
    vary(&mut second);
    let outcome = second.resume(config).unwrap();
    assert!(matches!(outcome, Outcome::Finished { step: 20, .. }), "{outcome:?}");
    assert_eq!(second.model.values(), whole.model.values());
    assert_eq!(second.objective.values(), whole.objective.values());
    let files = |folder: &Path| {
        let state = folder.join("checkpoints/step-00000020/state");
        let mut files: Vec<_> =
            std::fs::read_dir(state).unwrap().map(|f| f.unwrap().path()).collect();
        files.sort();
        files.retain(|path| path.extension().unwrap() == "safetensors");
        files
    };
    assert_eq!(files(one.path()).len(), files(two.path()).len());
    for (a, b) in files(one.path()).iter().zip(files(two.path())) {
        assert!(std::fs::read(a).unwrap() == std::fs::read(&b).unwrap(), "{} differs", b.display());
    }
    assert_eq!(rows(one.path()), rows(two.path()));
    assert!(rows(one.path()).len() >= 9);
    let state = |run: &Run<'_>| run.saver().checkpoint(20).state().unwrap();
    let (whole, second) = (state(&whole), state(&second));
    assert_eq!((whole.scaler, whole.ema_updates), (second.scaler, second.ema_updates));
    assert_eq!(whole.ledger, second.ledger);
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    check(settings(20), |_| {});
}

#[test]
fn with_micro_batches() {
    check(settings(20), |run| run.micro_batch_size = 3);
}

#[test]
fn in_bf16() {
    check(FitConfig { precision: Precision::Bf16, ..settings(20) }, |_| {});
}

/// The scale grows after three steps in a row, and falls in step 7. When the run stops, one step has been counted.
#[test]
fn in_fp16_with_a_skipped_step() {
    let loss_scaling = LossScaling { growth_interval: 3, ..LossScaling::default() };
    let config = FitConfig { precision: Precision::Fp16, loss_scaling, ..settings(20) };
    check(config, |run| run.fault = Some(Fault::Overflow { step: 7 }));
}

#[test]
fn with_a_moving_average_of_the_weights() {
    for export in [false, true] {
        let ema = EmaConfig { decay: 0.9, export, ..EmaConfig::default() };
        check(FitConfig { ema: Some(ema), save_every: Some(4), ..settings(20) }, |_| {});
    }
}

#[test]
fn with_checkpoints_that_are_written_during_training() {
    for async_save in [false, true] {
        let often = FitConfig { async_save, save_every: Some(1), ..settings(20) };
        check(often, |run| run.slow_export = Duration::from_millis(10));
    }
}

/// The resumed run splits its micro-batches as before, without running out of memory again.
#[test]
fn after_running_out_of_memory() {
    // The toy sets its stop flag after a number of rows, and a step that begins again draws its rows again. So a budget
    // of tokens stops this run.
    check_stopped(StopReason::MaxTokens, settings(20), |run| {
        run.fault = Some(Fault::OutOfMemory { step: 3, rows: 3 });
    });
}

#[test]
fn ten_steps_and_ten_more_equal_twenty() {
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
fn the_losses_depend_on_the_seed_alone() {
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
fn a_resume_removes_the_rows_of_later_steps() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fit(FitConfig { log_every: 1, save_every: Some(4), retention: keep(0), ..config(8) })
        .unwrap();
    // The last checkpoint is lost, and a crash has cut off the last row of the file.
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
fn resuming_a_finished_run_gives_its_outcome_again() {
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
    assert!(error.to_string().contains("`seed` = 7"), "{error}");
}

#[test]
fn a_resume_restores_the_ledger_of_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.ledger.add("rows.cut", 3, None);
    run.fit(config(2)).unwrap();
    let mut again = Run::new(folder.path());
    // As the data is prepared again, the entry is counted again.
    again.ledger.add("rows.cut", 3, None);
    again.resume(config(4)).unwrap();
    assert_eq!(again.ledger.count("rows.cut"), 3);
}

/// A run with the settings `before` cannot be resumed with the settings `after`.
#[track_caller]
fn check_refused(before: FitConfig, after: FitConfig, message: &str) {
    let folder = tempfile::tempdir().unwrap();
    Run::new(folder.path()).fit(before).unwrap();
    let error = Run::new(folder.path()).resume(after).unwrap_err();
    assert!(matches!(error, TrainError::Resume { .. }), "{error}");
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn a_checkpoint_with_or_without_an_average_or_a_scale_needs_a_run_like_it() {
    let ema = FitConfig { ema: Some(EmaConfig::default()), ..config(2) };
    check_refused(ema.clone(), config(4), "`ema` = an average");
    check_refused(config(2), FitConfig { total_steps: 4, ..ema }, "`ema` = none");
    let fp16 = FitConfig { precision: Precision::Fp16, ..config(2) };
    check_refused(fp16, config(4), "`precision` = fp16");
}
