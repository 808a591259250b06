//! Checkpoints that are written during training: they are the same, and killing the run does no harm.

#![allow(clippy::disallowed_methods)] // Tests run themselves in a process that is killed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sst_core::Event;
use sst_train::{BestBy, Direction, FitConfig, Retention, Saver, TrainError};

use crate::toy::{Run, config, keep};

/// The files of a checkpoint that do not contain times.
fn content(checkpoint: &Path) -> Vec<(String, Vec<u8>)> {
    [
        "model/config.json",
        "model/model.safetensors",
        "state/objective.safetensors",
        "state/optimizer.safetensors",
    ]
    .iter()
    .map(|name| ((*name).to_owned(), fs::read(checkpoint.join(name)).unwrap()))
    .collect()
}

#[test]
fn they_equal_checkpoints_that_training_waits_for() {
    let run = |folder: &Path, async_save| {
        let mut run = Run::new(folder);
        // The export takes longer than a step, so that training changes the weights meanwhile.
        run.slow_export = Duration::from_millis(if async_save { 30 } else { 0 });
        let config = FitConfig { save_every: Some(3), retention: keep(0), ..config(12) };
        run.fit(FitConfig { async_save, ..config }).unwrap();
        run.saver()
    };
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (waited, beside) = (run(one.path(), false), run(two.path(), true));
    assert_eq!(beside.steps().unwrap(), [3, 6, 9, 12]);
    for step in [3, 6, 9, 12] {
        assert!(content(&waited.path(step)) == content(&beside.path(step)), "step {step}");
        let state = |saver: &Saver| saver.checkpoint(step).state().unwrap();
        let (a, b) = (state(&waited), state(&beside));
        assert_eq!((a.tasks, a.metrics, a.ledger), (b.tasks, b.metrics, b.ledger));
    }
    assert!(beside.verify(None).unwrap().iter().all(|(_, broken)| broken.is_none()));
}

#[test]
fn training_goes_on_while_a_checkpoint_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.slow_export = Duration::from_millis(300);
    run.fit(FitConfig { save_every: Some(4), log_every: 1, ..config(6) }).unwrap();
    let events = run.record.0.lock().unwrap();
    let index = |wanted: &dyn Fn(&Event) -> bool| events.iter().position(wanted).unwrap();
    let saved = index(&|event| matches!(event, Event::Saved { step: 4, .. }));
    let fifth = index(&|event| matches!(event, Event::Step { step: 5, .. }));
    assert!(fifth < saved, "{events:?}");
    assert!(matches!(
        events[events.len() - 2..],
        [Event::Saved { step: 6, .. }, Event::End { .. }]
    ));
}

#[test]
fn an_error_ends_the_run_at_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    run.broken_export = Some(4);
    let config = FitConfig { save_every: Some(2), ..config(100_000) };
    let began = Instant::now();
    let error = run.fit(config).unwrap_err();
    assert!(matches!(error, TrainError::Save { .. }), "{error}");
    assert!(error.to_string().contains("step-00000004"), "{error}");
    assert_eq!(run.saver().latest_good().unwrap().unwrap().step(), 2);
    assert!(began.elapsed() < Duration::from_secs(60));
}

#[test]
fn the_best_checkpoints_by_a_named_metric_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let by = |metric: &str| Some(BestBy { metric: metric.into(), direction: Direction::Higher });
    let retention = Retention {
        last: 1,
        best: 2,
        by: by("eval/held/loss"),
        every: Some(5),
        restore_best: false,
    };
    let often = FitConfig { save_every: Some(1), eval_every: Some(1), ..config(8) };
    let mut run = Run::new(folder.path());
    run.fit(FitConfig { retention: retention.clone(), ..often.clone() }).unwrap();
    let mut losses: Vec<(u64, f64)> = (run.record.0.lock().unwrap().iter())
        .filter_map(|event| match event {
            Event::Evaluation { step, metrics, .. } => Some((*step, metrics["loss"])),
            _ => None,
        })
        .collect();
    losses.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut expected = vec![losses[0].0, losses[1].0, 5, 8];
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(run.saver().steps().unwrap(), expected, "{losses:?}");

    let folder = tempfile::tempdir().unwrap();
    let retention = Retention { by: by("eval/held/accuracy"), ..retention };
    let error = Run::new(folder.path()).fit(FitConfig { retention, ..often }).unwrap_err();
    assert!(error.to_string().contains("`eval/held/accuracy`"), "{error}");
    assert!(error.to_string().contains("eval/held/loss"), "{error}");
}

/// The environment variable with the run folder of the process that `a_kill_at_any_moment_leaves_a_good_checkpoint`
/// starts.
const FOLDER: &str = "SST_TEST_KILLED_IN";

#[test]
fn child_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let mut run = Run::new(Path::new(&folder));
    let config = FitConfig { save_every: Some(1), retention: keep(1), ..config(100_000) };
    let _ = run.fit(config);
}

#[test]
fn a_kill_at_any_moment_leaves_a_good_checkpoint() {
    for round in 0..8_u64 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "saving::child_that_is_killed", "--test-threads", "1"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let saver = Saver::new(folder.path());
        let latest = saver.folder().join("latest");
        let began = Instant::now();
        while !latest.exists() {
            assert!(began.elapsed() < Duration::from_secs(60), "it never saved");
            std::thread::sleep(Duration::from_millis(1));
        }
        // The run saves after every step, so the process is most likely writing a checkpoint when it is killed.
        std::thread::sleep(Duration::from_micros(1500 * round + 377 * round * round));
        child.kill().unwrap();
        child.wait().unwrap();

        let good = saver.latest_good().unwrap().unwrap();
        let linked = saver.folder().join(fs::read_link(&latest).unwrap());
        let steps = saver.verify(None).unwrap();
        assert!(steps.iter().all(|(_, broken)| broken.is_none()), "{steps:?}");
        assert!(linked.as_path() <= good.path() && linked.exists(), "{linked:?} {steps:?}");
        let mut again = Run::new(folder.path());
        again.resume(config(good.step() + 1)).unwrap();
    }
}
