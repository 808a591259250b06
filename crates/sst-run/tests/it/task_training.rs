//! What trains, and when a run ends: early stopping, the best checkpoint, and layers that are unfrozen.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use sst_core::Event;
use sst_core::checkpoint::Weights;
use sst_run::{Outcome, Run, Tracker, model, verify};

use crate::records::recipe;

/// Sets the stop flag after a step.
struct StopAt(u64, Arc<AtomicBool>);

impl Tracker for StopAt {
    fn on_event(&mut self, event: &Event) -> Result<(), sst_core::Error> {
        if matches!(event, Event::Step { step, .. } if *step == self.0) {
            self.1.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// Trains, and stops after the step `stop_at`, if there is one.
fn train(folder: &Path, dir: &str, sets: &[&str], stop_at: Option<u64>) -> (Outcome, PathBuf) {
    let mut run = Run::new(recipe(folder, dir, sets)).unwrap();
    let flag = Arc::<AtomicBool>::default();
    run.resume(true).stop_flag(Arc::clone(&flag));
    if let Some(step) = stop_at {
        run.tracker(StopAt(step, flag));
    }
    (run.train().unwrap(), run.folder())
}

fn trainer_state(run: &Path, step: u64) -> Value {
    let file = run.join(format!("checkpoints/step-{step:08}/state/trainer.json"));
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// A learning rate so high that the loss on held-out records soon rises.
const DIVERGING: [&str; 7] = [
    "train.steps=60step",
    "train.eval_every=2step",
    "train.save_every=2step",
    "train.optimizer.lr=0.3",
    "train.max_grad_norm=0",
    "train.early_stopping={ patience = 2 }",
    "train.async_save=false",
];

#[test]
fn a_run_that_does_not_improve_ends_early_with_the_best_checkpoint() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    let (outcome, run) = train(folder.path(), "early", &DIVERGING, None);
    let Outcome::Finished { step, is_early, metrics, checkpoint } = outcome else { panic!() };
    assert!(is_early && step < 60, "{step}");
    let state = trainer_state(&run, step);
    assert_eq!(state["early_stopping"]["since"], 2);
    let best = &state["best"][0];
    assert_eq!(best["step"], step - 4, "two evaluations, two steps each, brought no improvement");
    assert_eq!(checkpoint, run.join(format!("checkpoints/step-{:08}", step - 4)));
    assert_eq!(metrics["eval/classify/loss"], best["value"].as_f64().unwrap());
    // The folder of the run stands for the best checkpoint as a model.
    let found = model::find(&run).unwrap();
    assert_eq!(
        found.folder.canonicalize().unwrap(),
        checkpoint.join("model").canonicalize().unwrap()
    );
    assert_eq!(found.best.as_deref(), Some(&*checkpoint));

    // A run that has ended early does not go on when it is resumed.
    let (again, _) = train(folder.path(), "early", &DIVERGING, None);
    assert!(matches!(again, Outcome::Finished { step: s, is_early: true, .. } if s == step));

    // A run that is stopped and resumed ends at the same step with the same weights.
    let (stopped, _) = train(folder.path(), "broken", &DIVERGING, Some(3));
    assert!(matches!(stopped, Outcome::Stopped { .. }), "{stopped:?}");
    let (ended, broken) = train(folder.path(), "broken", &DIVERGING, None);
    assert!(matches!(ended, Outcome::Finished { step: s, .. } if s == step), "{ended:?}");
    assert_eq!(verify::differences(&run, &broken, step).unwrap(), Vec::<String>::new());

    // Without restore_best, the last checkpoint is the result.
    let last: Vec<&str> = DIVERGING.into_iter().chain(["train.keep.restore_best=false"]).collect();
    let (outcome, run) = train(folder.path(), "last", &last, None);
    let Outcome::Finished { checkpoint, .. } = outcome else { panic!() };
    assert_eq!(checkpoint, run.join(format!("checkpoints/step-{step:08}")));
    assert_eq!(model::find(&run).unwrap().best, None);
}

#[test]
fn early_stopping_needs_evaluations_and_the_best_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let error = |sets: &[&str]| {
        recipe(folder.path(), "runs", sets).check().map(|_| ()).unwrap_err().to_string()
    };
    let early = "train.early_stopping={ patience = 2 }";
    let found = error(&[early, "train.eval_every=0"]);
    assert!(found.contains("train.early_stopping") && found.contains("eval_every"), "{found}");
    let found = error(&[early, "train.eval_every=50step", "data.validation=0"]);
    assert!(found.contains("data.validation"), "{found}");
    let found = error(&[early, "train.eval_every=50step", "train.keep.best=0"]);
    assert!(found.contains("train.keep.restore_best"), "{found}");
    let found = error(&["train.early_stopping={ patience = 0 }"]);
    assert!(found.contains("train.early_stopping.patience"), "{found}");
}

/// The parameters that differ between the checkpoints of two steps.
fn changed(run: &Path, from: u64, to: u64) -> Vec<String> {
    let open = |step: u64| {
        let file = format!("checkpoints/step-{step:08}/model/model.safetensors");
        Weights::open(&run.join(file)).unwrap()
    };
    let (before, after) = (open(from), open(to));
    let names = before.names().map(str::to_owned).collect::<Vec<_>>();
    let differs = |name: &String| !before.tensor(name).unwrap().equal(&after.tensor(name).unwrap());
    names.into_iter().filter(differs).collect()
}

#[test]
fn layers_are_unfrozen_one_after_the_other() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    let sets = [
        "train.steps=8step",
        "train.save_every=2step",
        "train.keep.last=0",
        "train.unfreeze={ layers = 0, every = \"2step\" }",
        "train.schedule.name=constant",
        "train.schedule.warmup=0",
    ];
    let (_, run) = train(folder.path(), "gradual", &sets, None);
    let has = |names: &[String], part: &str| names.iter().any(|name| name.contains(part));
    let (layer_0, layer_1) = ("encoder.layer.0.", "encoder.layer.1.");
    let steps = changed(&run, 2, 4);
    assert!(has(&steps, "classifier.") && has(&steps, "pooler."), "{steps:?}");
    assert!(has(&steps, layer_1) && !has(&steps, layer_0), "{steps:?}");
    let steps = changed(&run, 4, 6);
    assert!(has(&steps, layer_0) && !has(&steps, "embeddings."), "{steps:?}");
    let steps = changed(&run, 6, 8);
    assert!(has(&steps, "embeddings.word_embeddings"), "{steps:?}");

    // It does not depend on where a run is stopped and resumed.
    let (stopped, _) = train(folder.path(), "broken", &sets, Some(5));
    assert!(matches!(stopped, Outcome::Stopped { .. }), "{stopped:?}");
    let (_, broken) = train(folder.path(), "broken", &sets, None);
    assert_eq!(verify::differences(&run, &broken, 8).unwrap(), Vec::<String>::new());

    // The head alone: nothing else changes, and has no state of the optimizer.
    let head = [
        "train.steps=4step",
        "train.save_every=2step",
        "train.keep.last=0",
        "train.unfreeze={ layers = 0 }",
    ];
    let (_, run) = train(folder.path(), "head", &head, None);
    let steps = changed(&run, 2, 4);
    assert!(!steps.is_empty());
    let is_above = |name: &String| name.starts_with("classifier.") || name.contains("pooler.");
    assert!(steps.iter().all(is_above), "{steps:?}");
    let state = run.join("checkpoints/step-00000004/state/optimizer.safetensors");
    let names = Weights::open(&state).unwrap();
    assert!(names.names().all(|name| !name.contains("encoder.layer")), "no state of frozen layers");
}
