//! The outer loop: training lowers the loss, events come in order, and the right checkpoints are kept.

use sst_core::Event;
use sst_train::{FitConfig, Outcome, Precision, TrainError};

use crate::toy::{Run, config, keep};

/// A name for each event of a run, in order.
fn names(run: &Run<'_>) -> Vec<String> {
    let events = run.record.0.lock().unwrap();
    let name = |event: &Event| match event {
        Event::Start { step, total_steps, .. } => format!("start {step}/{total_steps}"),
        Event::Step { step, .. } => format!("step {step}"),
        Event::Evaluation { step, name, .. } => format!("{name} {step}"),
        Event::Saved { step, .. } => format!("saved {step}"),
        Event::End { step } => format!("end {step}"),
    };
    events.iter().map(name).collect()
}

#[track_caller]
fn check_learns(precision: Precision) {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    let outcome = run.fit(FitConfig { precision, ..config(60) }).unwrap();
    let Outcome::Finished { step: 60, metrics, checkpoint, .. } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(metrics["eval/held/loss"] < 1.2, "{metrics:?}");
    assert!(metrics["train/correct"] > 0.5 && metrics["train/correct"] <= 1.0, "{metrics:?}");
    assert!(checkpoint.join("model/model.safetensors").is_file());
}

#[test]
fn a_run_learns_in_fp32() {
    check_learns(Precision::Fp32);
}

#[test]
fn a_run_learns_in_bf16() {
    check_learns(Precision::Bf16);
}

#[test]
fn a_run_learns_in_fp16() {
    check_learns(Precision::Fp16);
}

#[test]
fn events_come_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    // With `async_save`, a checkpoint would be reported some steps later.
    let config = FitConfig { async_save: false, ..config(5) };
    run.fit(FitConfig { eval_every: Some(4), save_every: Some(4), ..config }).unwrap();
    let expected =
        ["start 0/5", "step 3", "held 4", "saved 4", "step 5", "held 5", "saved 5", "end 5"];
    assert_eq!(names(&run), expected);
    let events = run.record.0.lock().unwrap();
    let Event::Start { parameters, .. } = events[0] else { panic!() };
    assert_eq!(parameters, 16 * 8 + 8 * 16 + 16 + 1);
    let Event::Step { metrics, timing, .. } = &events[1] else { panic!() };
    let keys: Vec<&str> = metrics.keys().map(String::as_str).collect();
    assert_eq!(keys, ["correct", "grad_norm", "loss", "lr"]);
    assert_eq!(metrics["lr"], 0.05);
    let keys: Vec<&str> = timing.keys().map(String::as_str).collect();
    let mut expected =
        vec!["loader_wait", "padded_tokens_per_second", "seconds_per_step", "tokens_per_second"];
    if cfg!(target_os = "linux") {
        expected.extend(["memory_bytes", "peak_memory_bytes"]);
        expected.sort_unstable();
        assert!(timing["peak_memory_bytes"] >= timing["memory_bytes"], "{timing:?}");
    }
    assert_eq!(keys, expected);
    assert!(timing.values().all(|value| *value > 0.0), "{timing:?}");
}

#[test]
fn old_checkpoints_are_deleted_and_the_best_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    let mut config =
        FitConfig { eval_every: Some(2), save_every: Some(2), retention: keep(1), ..config(6) };
    // With this learning rate the loss grows, so that the first checkpoint is the best one.
    config.optimizer.lr = 3.0;
    config.schedule.warmup_steps = 0;
    run.fit(config).unwrap();
    let losses: Vec<f64> = (run.record.0.lock().unwrap().iter())
        .filter_map(|event| match event {
            Event::Evaluation { metrics, .. } => Some(metrics["loss"]),
            _ => None,
        })
        .collect();
    let best = (0..3).min_by(|a, b| losses[*a].total_cmp(&losses[*b])).unwrap() as u64 * 2 + 2;
    let mut expected = vec![best, 6];
    expected.dedup();
    assert_eq!(run.saver().steps().unwrap(), expected, "held-out losses {losses:?}");
    let state = run.saver().latest_good().unwrap().unwrap().state().unwrap();
    let first = state.best.first().unwrap();
    assert_eq!((first.step, first.metric.as_str()), (best, "eval/held/loss"));
}

#[test]
fn a_new_run_does_not_write_over_an_old_one() {
    let folder = tempfile::tempdir().unwrap();
    Run::new(folder.path()).fit(config(2)).unwrap();
    let error = Run::new(folder.path()).fit(config(2)).unwrap_err();
    assert!(matches!(error, TrainError::RunExists { .. }), "{error}");
}

#[test]
fn clipping_limits_the_first_update_only_through_the_norm() {
    // Without eps, AdamW's first update would not depend on the scale of the gradient. Clipping to a tiny norm
    // therefore changes it a little.
    let weights = |limit| {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::new(folder.path());
        run.fit(FitConfig { max_grad_norm: limit, ..config(1) }).unwrap();
        let norm = match &run.record.0.lock().unwrap()[1] {
            Event::Step { metrics, .. } => metrics["grad_norm"],
            other => panic!("{other:?}"),
        };
        (run.model.values(), norm)
    };
    let ((free, norm), (clipped, same_norm)) = (weights(None), weights(Some(1e-6)));
    assert_eq!(norm, same_norm, "the norm is reported as it was before clipping");
    assert_ne!(free, clipped);
}

#[test]
fn zero_steps_and_zero_steps_between_reports_are_refused() {
    for (config, start) in
        [(FitConfig { log_every: 0, ..config(2) }, "`log_every`: "), (config(0), "`total_steps`: ")]
    {
        let folder = tempfile::tempdir().unwrap();
        let error = Run::new(folder.path()).fit(config).unwrap_err();
        assert!(error.to_string().starts_with(start), "{error}");
    }
}

#[test]
fn utilisation_is_reported_if_the_operations_per_token_are_known() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.fit(FitConfig { flops_per_token: Some(1e6), ..config(3) }).unwrap();
    let rows = sst_train::track::jsonl::read(&folder.path().join("metrics.jsonl")).unwrap();
    let metric = |name: &str| rows[0][name].as_f64().unwrap();
    let peak = 1e6 * metric("perf/tokens_per_second") / metric("perf/mfu");
    assert!((1e8..1e16).contains(&peak), "{peak} floating-point operations a second");
    let again = sst_train::measure_peak(tch::Device::Cpu, Precision::Fp32).unwrap();
    // The machine may be busy with other tests, so the two measurements may differ much.
    assert!((0.05..20.0).contains(&(peak / again)), "{peak} and {again}");
}
