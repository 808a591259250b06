//! Runs that are stopped and resumed in one process.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sst_core::Event;
use sst_run::{Outcome, Recipe, Run, RunError, Tracker, verify};
use sst_train::StopReason;

/// A run of six steps on a corpus of a few words.
pub(crate) const RECIPE: &str = r#"
[run]
name = "r"
device = "cpu"
threads = 1

[data]
paths = []
max_length = 16
validation = 0.2

[tokenizer.train]
vocab_size = 40

[model]
type = "bert"
hidden_size = 16
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 32
max_position_embeddings = 16
hidden_dropout_prob = 0.1

[objective]
name = "mlm"

[train]
steps = "6step"
precision = "fp32"
batch_size = 8
micro_batch_size = 4
log_every = "3step"
eval_every = 0
save_every = "3step"
"#;

/// Writes a corpus into `folder` and returns the override that names it.
pub(crate) fn corpus(folder: &Path) -> String {
    let words = ["in", "the", "beginning", "was", "word", "and", "light", "day"];
    let text: String = (0..200usize)
        .map(|i| {
            (0..8).map(|j| words[(i * 7 + j * j * 3) % 8]).collect::<Vec<_>>().join(" ") + "\n"
        })
        .collect();
    let path = folder.join("corpus.txt");
    sst_data::atomic::write(&path, text.as_bytes()).unwrap();
    format!("data.paths=[\"{}\"]", path.display())
}

/// The recipe of a run in `folder`, where its corpus and cache are too.
pub(crate) fn recipe(folder: &Path) -> Recipe {
    let recipe = Recipe::parse(RECIPE).unwrap().set(&corpus(folder)).unwrap();
    let recipe = recipe.set(&format!("run.dir=\"{}\"", folder.join("runs").display())).unwrap();
    recipe.default_cache(folder.join("cache"))
}

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

#[test]
fn a_run_that_is_stopped_and_resumed_equals_an_uninterrupted_run() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    let (whole, broken) = (folder.path().join("whole"), folder.path().join("broken"));
    // All runs use the same corpus path, because it is written to the model cards.
    let set_dir = |dir: &Path| recipe(folder.path()).set(&format!("run.dir=\"{}\"", dir.display()));
    let train = |dir: &Path, stop_at: Option<u64>| {
        let recipe = set_dir(dir).unwrap().set("train.log_every=1step").unwrap();
        let mut run = Run::new(recipe).unwrap();
        let flag = Arc::<AtomicBool>::default();
        run.resume(true).stop_flag(Arc::clone(&flag));
        if let Some(step) = stop_at {
            run.tracker(StopAt(step, flag));
        }
        (run.train().unwrap(), run.folder())
    };
    let (outcome, whole) = train(&whole, None);
    assert!(matches!(outcome, Outcome::Finished { step: 6, .. }), "{outcome:?}");
    let (outcome, _) = train(&broken, Some(2));
    let Outcome::Stopped { reason: StopReason::Asked, step, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!((2..6).contains(&step));
    let (outcome, broken) = train(&broken, None);
    assert!(matches!(outcome, Outcome::Finished { step: 6, .. }), "{outcome:?}");
    assert_eq!(verify::differences(&whole, &broken, 6).unwrap(), Vec::<String>::new());
    assert_eq!(verify::last_logged_step(&broken), 6);

    // A run with another seed differs, and the check says where.
    let other = set_dir(&folder.path().join("other")).unwrap();
    let mut run = Run::new(other.set("run.seed=1").unwrap()).unwrap();
    run.train().unwrap();
    let found = verify::differences(&whole, &run.folder(), 6).unwrap();
    assert!(found.iter().any(|text| text == "model/model.safetensors differs"), "{found:?}");
}

#[test]
fn a_folder_with_checkpoints_is_neither_restarted_nor_resumed_with_another_recipe() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    Run::new(recipe(folder.path())).unwrap().train().unwrap();
    let error = Run::new(recipe(folder.path())).unwrap().train().unwrap_err();
    assert!(matches!(error, RunError::Folder(_)), "{error}");
    let changed = recipe(folder.path()).set("train.optimizer.lr=0.5").unwrap();
    let error = Run::new(changed).unwrap().resume(true).train().unwrap_err();
    assert!(
        matches!(&error, RunError::Resume(text) if text.contains("train.optimizer.lr")),
        "{error}"
    );
    let changed = recipe(folder.path()).set("train.optimizer.lr=0.5").unwrap();
    let mut run = Run::new(changed).unwrap();
    run.resume(true).allow_change(["train.optimizer.lr".to_owned()]);
    assert!(matches!(run.train().unwrap(), Outcome::Finished { step: 6, .. }));
}
