//! Runs that train an adapter: what a checkpoint holds, exact resume, and what is refused.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use sst_core::checkpoint::Weights;
use sst_core::{Event, HeadKind};
use sst_data::Ledger;
use sst_models::LoadHead;
use sst_run::{Outcome, Recipe, Run, RunError, Tracker, model, verify};
use tch::Device;

use crate::records;

/// A base model that a few steps have trained, with its tokenizer.
fn base(folder: &Path) -> PathBuf {
    let sets = ["train.steps=4step", "train.save_every=0"];
    let mut run = Run::new(records::recipe(folder, "base", &sets)).unwrap();
    let Outcome::Finished { checkpoint, .. } = run.train().unwrap() else { panic!() };
    checkpoint.join("model")
}

/// A run that trains an adapter of the model in `base`.
fn recipe(folder: &Path, base: &Path, run: &str, sets: &[&str]) -> Recipe {
    let text = records::RECIPE;
    let [tokenizer, objective] =
        ["[tokenizer.train]", "[objective]"].map(|s| text.find(s).unwrap());
    let written = text[..tokenizer].to_owned() + &text[objective..];
    let base = base.display();
    let own = [
        records::corpus(folder),
        format!("run.dir=\"{}\"", folder.join(run).display()),
        format!("model.path=\"{base}\""),
        format!("tokenizer.path=\"{base}\""),
        "model.lora.rank=3".to_owned(),
        "model.lora.dropout=0.1".to_owned(),
        "train.steps=6step".to_owned(),
        "train.save_every=2step".to_owned(),
    ];
    let written = Recipe::parse(&written).unwrap().default_cache(folder.join("cache"));
    let sets = own.iter().map(String::as_str).chain(sets.iter().copied());
    sets.fold(written, |recipe, set| recipe.set(set).unwrap())
}

/// Asks for a stop once a step is done.
struct StopAt(u64, Arc<AtomicBool>);

impl Tracker for StopAt {
    fn on_event(&mut self, event: &Event) -> Result<(), sst_core::Error> {
        if matches!(event, Event::Step { step, .. } if *step == self.0) {
            self.1.store(true, Ordering::SeqCst);
        }
        Ok(())
    }
}

fn train(recipe: Recipe, stop_at: Option<u64>) -> (Result<Outcome, RunError>, PathBuf) {
    let mut run = Run::new(recipe).unwrap();
    let flag = Arc::<AtomicBool>::default();
    run.resume(true).stop_flag(Arc::clone(&flag));
    if let Some(step) = stop_at {
        run.tracker(StopAt(step, flag));
    }
    (run.train(), run.folder())
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn a_checkpoint_holds_the_adapter_and_goes_on_to_the_same_bytes() {
    let _alone = crate::alone();
    let dir = tempfile::tempdir().unwrap();
    let base = base(dir.path());
    for (name, sets) in [
        ("plain", &[][..]),
        ("averaged", &["train.ema.decay=0.9"]),
        (
            "bf16",
            &["train.precision=bf16", "train.bf16_weights=true", "model.lora.targets=['query']"],
        ),
    ] {
        let recipe = |run: &str| recipe(dir.path(), &base, &format!("{name}-{run}"), sets);
        let (outcome, whole) = train(recipe("whole"), None);
        let Outcome::Finished { checkpoint, .. } = outcome.unwrap() else { panic!() };
        assert!(matches!(train(recipe("broken"), Some(3)).0.unwrap(), Outcome::Stopped { .. }));
        let (outcome, broken) = train(recipe("broken"), None);
        assert!(matches!(outcome.unwrap(), Outcome::Finished { step: 6, .. }));
        assert_eq!(
            verify::differences(&whole, &broken, 6).unwrap(),
            Vec::<String>::new(),
            "{name}"
        );

        let folder = checkpoint.join("model");
        assert!(!folder.join("model.safetensors").exists());
        let config = read(&folder.join("adapter_config.json"));
        assert_eq!((&config["r"], &config["task_type"]), (&json!(3), &json!("SEQ_CLS")));
        assert_eq!(config["modules_to_save"], json!(["classifier"]));
        let path = base.canonicalize().unwrap();
        assert_eq!(config["base_model_name_or_path"], json!(path));
        let record = read(&folder.join("base_model.json"));
        assert_eq!(record["sha256"].as_object().unwrap().len(), 2, "{record}");
        let weights = Weights::open(&folder.join("adapter_model.safetensors")).unwrap();
        let is_small = |name: &str| name.contains(".lora_") || name.contains(".classifier.");
        assert!(weights.names().all(is_small), "{:?}", weights.names().collect::<Vec<_>>());
        assert!(weights.names().any(|name| name.ends_with(".lora_B.weight")));

        // Commands find the model of the run, and its tokenizer.
        let found = model::find(&whole).unwrap();
        let head = LoadHead::Needed(HeadKind::SequenceClassification);
        let (model, processor) = found.load(Device::Cpu, head, &Ledger::new()).unwrap();
        assert_eq!(model.config()["id2label"], json!({"0": "bad", "1": "good", "2": "plain"}));
        processor.tokenizer().unwrap();
        let matrices = model.params().iter().filter(|(name, _)| name.ends_with(".lora_B.weight"));
        for (name, matrix) in matrices {
            assert!(matrix.abs().max().double_value(&[]) > 0.0, "{name} has not learned");
        }
        // The weights of the base model are those of the folder.
        let original = Weights::open(&base).unwrap();
        for name in original.names().filter(|name| !name.starts_with("classifier.")) {
            assert!(
                model.params().get(name).unwrap().equal(&original.tensor(name).unwrap()),
                "{name}"
            );
        }
    }
    // A base model that has changed since is no base of this adapter.
    let config = base.join("config.json");
    let text = std::fs::read_to_string(&config).unwrap().replace("1e-12", "1e-6");
    sst_data::atomic::write(&config, text.as_bytes()).unwrap();
    std::fs::remove_file(base.parent().unwrap().join("MANIFEST.json")).unwrap();
    let more = ["train.steps=8step"];
    let mut run = Run::new(recipe(dir.path(), &base, "plain-whole", &more)).unwrap();
    let error = run.resume(true).allow_change(["train.steps".to_owned()]).train().unwrap_err();
    assert!(error.to_string().contains("not the base model"), "{error}");
}

#[test]
fn what_lora_and_heads_cannot_be_is_refused_by_key() {
    let _alone = crate::alone();
    let dir = tempfile::tempdir().unwrap();
    let base = base(dir.path());
    let check = |sets: &[&str], parts: &[&str]| {
        let checked = recipe(dir.path(), &base, "x", sets).check().map(|_| ());
        let error = checked.unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{sets:?}: {error}");
    };
    check(&["model.lora.rank=0"], &["--set model.lora.rank=0", "from 1 to"]);
    check(&["model.lora.alpha=0"], &["model.lora.alpha", "above 0"]);
    check(&["model.lora.dropout=1.0"], &["model.lora.dropout", "below 1"]);
    check(&["model.lora.targets=most"], &["model.lora.targets", "all-linear"]);
    check(&["model.lora.targets=[]"], &["model.lora.targets", "has no name"]);
    check(&["model.lora.rnak=3"], &["model.lora.rnak", "rank"]);
    check(&["model.head.type=mpl"], &["model.head.type", "mlp"]);
    check(&["model.head.hidden_size=3"], &["model.head.hidden_size", "\"mlp\""]);
    check(&["model.head={ type = 'mlp', dropout = 1.0 }"], &["model.head.dropout", "below 1"]);
    let new = records::recipe(dir.path(), "x", &["model.lora.rank=3"]).check().map(|_| ());
    let error = new.unwrap_err().to_string();
    assert!(error.contains("model.lora") && error.contains("needs model.path"), "{error}");
    let new = records::recipe(dir.path(), "x", &["model.head.new=true"]).check().map(|_| ());
    let error = new.unwrap_err().to_string();
    assert!(error.contains("model.head.new") && error.contains("model.path"), "{error}");

    let refused = |sets: &[&str]| {
        let (outcome, _) = train(recipe(dir.path(), &base, "y", sets), None);
        outcome.unwrap_err().to_string()
    };
    let error = refused(&["model.lora.targets=['query', 'quarry']"]);
    assert!(
        error.contains("model.lora.targets") && error.contains("quarry is no linear layer"),
        "{error}"
    );
    // The data has another label, so that the head of the model does not fit it.
    let error = refused(&["data.labels=['bad', 'good', 'plain', 'merry']"]);
    assert!(
        error.contains("stand for bad, good, plain") && error.contains("model.head.new = true"),
        "{error}"
    );
    let (outcome, _) = train(
        recipe(
            dir.path(),
            &base,
            "y",
            &[
                "data.labels=['bad', 'good', 'plain', 'merry']",
                "model.head={ type = 'mlp', hidden_size = 5, new = true }",
            ],
        ),
        None,
    );
    let Outcome::Finished { checkpoint, .. } = outcome.unwrap() else { panic!() };
    let config = read(&checkpoint.join("model/config.json"));
    assert_eq!(config["sst_head"], json!({"type": "mlp", "hidden_size": 5, "dropout": 0.1}));
    // An adapter is no model to train on.
    let adapter = checkpoint.join("model");
    let checked = recipe(dir.path(), &adapter, "z", &[]).check().map(|_| ());
    let error = checked.unwrap_err().to_string();
    assert!(error.contains("model.path") && error.contains("sst merge --model"), "{error}");
}

#[test]
fn settings_are_written_out_and_resolve_to_themselves() {
    let _alone = crate::alone();
    let dir = tempfile::tempdir().unwrap();
    let base = base(dir.path());
    let sets = ["model.lora.targets=['query', 'value']", "model.head={ type = 'mlp', new = true }"];
    let config = recipe(dir.path(), &base, "x", &sets).check().unwrap().config;
    let text = config.to_toml().unwrap();
    for part in
        ["[model.lora]", "alpha = 16.0", "use_rslora = false", "hidden_size = 256", "new = true"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let again = Recipe::parse(&text).unwrap().check().unwrap().config;
    assert_eq!((&config, text), (&again, again.to_toml().unwrap()));
}
