//! Runs the example of the crate.

use sst_core::Event;
use sst_run::{Outcome, Recipe, Run};

#[allow(dead_code, unreachable_pub, reason = "a program of its own")]
#[path = "../../examples/pretrain.rs"]
mod pretrain;

#[test]
fn the_example_trains_a_model_that_loads() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    let (recipe, corpus) =
        (format!("{root}/recipes/tiny.toml"), format!("{root}/corpora/kjv.txt.gz"));
    let outcome = pretrain::run(&recipe, &corpus, folder.path()).unwrap();
    let Outcome::Finished { step: 20, metrics, checkpoint, .. } = outcome else {
        panic!("{outcome:?}");
    };
    assert!(metrics["eval/mask-accuracy/loss"] < 6.2, "{metrics:?}");
    let found = sst_run::model::find(&folder.path().join("runs/tiny")).unwrap();
    assert_eq!(found.folder, checkpoint.join("model"));
    let text = include_str!("../../examples/pretrain.rs");
    let body = text.lines().skip_while(|line| !line.starts_with("struct"));
    assert!(body.filter(|line| !line.trim().is_empty()).count() <= 30);
}

/// Records all notices and events.
#[derive(Clone, Default)]
struct Log(std::sync::Arc<std::sync::Mutex<Vec<String>>>);

impl sst_run::Tracker for Log {
    fn on_event(&mut self, event: &Event) -> Result<(), sst_core::Error> {
        let text = match event {
            Event::Start { step, total_steps, .. } => format!("start {step} of {total_steps}"),
            Event::Step { step, .. } => format!("step {step}"),
            Event::Evaluation { step, .. } => format!("evaluation {step}"),
            Event::Saved { step, .. } => format!("saved {step}"),
            Event::End { step } => format!("end {step}"),
        };
        self.0.lock().unwrap().push(text);
        Ok(())
    }
}

impl sst_run::Observer for Log {
    fn notice(&self, notice: &sst_run::Notice) {
        self.0.lock().unwrap().push(notice.to_string());
    }

    fn training_begins(
        &self,
        _: &sst_train::Saver,
    ) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        self.0.lock().unwrap().push("training begins".to_owned());
        Ok(())
    }

    fn training_ended(&self, _: &sst_data::Ledger) {
        self.0.lock().unwrap().push("training ended".to_owned());
    }
}

#[test]
fn trackers_and_observers_get_all_messages_in_order() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    let log = Log::default();
    let recipe = crate::resume::recipe(folder.path()).observer(std::sync::Arc::new(log.clone()));
    // A checkpoint that is written in the background is reported later.
    let recipe = recipe.set("train.async_save=false").unwrap();
    Run::new(recipe).unwrap().tracker(log.clone()).train().unwrap();
    let messages = log.0.lock().unwrap().clone();
    assert!(messages[0].starts_with("precision fp32: "), "{messages:?}");
    let expected = [
        "training a tokenizer of 40 tokens",
        "training begins",
        "start 0 of 6",
        "step 3",
        "saved 3",
        "step 6",
        "evaluation 6",
        "saved 6",
        "end 6",
        "training ended",
    ];
    let messages: Vec<_> = messages[1..].iter().map(String::as_str).collect();
    assert_eq!(messages, expected);
}

#[test]
fn a_recipe_without_a_folder_for_prepared_data_says_what_to_set() {
    let recipe = Recipe::parse(crate::resume::RECIPE).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let recipe = recipe.set(&format!("run.dir=\"{}\"", folder.path().display())).unwrap();
    let recipe = recipe.set(&crate::resume::corpus(folder.path())).unwrap();
    let error = Run::new(recipe).unwrap().train().unwrap_err();
    assert!(error.to_string().contains("data.cache"), "{error}");
}
