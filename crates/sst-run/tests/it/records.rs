//! Runs on labelled records: from CSV and JSON lines to a model that classifies, and what is refused.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use sst_core::{Event, HeadKind};
use sst_models::{LoadHead, LoadOptions};
use sst_run::{Outcome, Recipe, Run, RunError, Tracker, verify};
use tch::Device;

/// A run on records of two languages.
pub(crate) const RECIPE: &str = r#"
[run]
name = "r"
device = "cpu"
threads = 1

[data]
paths = []
max_length = 24
validation = 0.25
label_field = "mood"

[[data.transform]]
name = "lowercase"

[[data.transform]]
name = "random_crop"
count = 12

[tokenizer.train]
vocab_size = 120

[model]
type = "bert"
hidden_size = 32
num_hidden_layers = 2
num_attention_heads = 2
intermediate_size = 64
max_position_embeddings = 24
hidden_dropout_prob = 0.1

[objective]
name = "classify"

[train]
steps = "150step"
precision = "fp32"
batch_size = 16
micro_batch_size = 8
log_every = "1step"
eval_every = 0
save_every = "50step"

[train.optimizer]
lr = 5e-3
"#;

const MOODS: [&str; 3] = ["good", "bad", "plain"];

/// A text and its mood, which one word of the text determines. 4 of 8 records are good.
fn record(i: usize, words: [&str; 8], telling: [&str; 3]) -> (String, &'static str) {
    let mood = [0, 1, 0, 2, 0, 1, 0, 2][i % 8];
    let mut text: Vec<&str> = (0..8).map(|j| words[(i * 5 + j * j * 3 + i / 8) % 8]).collect();
    text[i % 7] = telling[mood];
    (text.join(" "), MOODS[mood])
}

/// Writes English records as CSV and Chinese records as JSON lines. Returns the override that names the files.
pub(crate) fn corpus(folder: &Path) -> String {
    let words = ["In", "the", "beginning", "was", "word", "and", "light", "day"];
    let mut csv = "id,text,mood\n".to_owned();
    let mut jsonl = String::new();
    for i in 0..160 {
        let (text, mood) = record(i, words, ["Joy", "grief", "stone"]);
        csv += &format!("{i},\"{text}\",{mood}\n");
        let words = ["天地", "山水", "人家", "日月", "长江", "英雄", "明月", "春风"];
        let (text, mood) = record(i, words, ["欢喜", "悲伤", "石头"]);
        jsonl += &(json!({"text": text.replace(' ', ""), "mood": mood}).to_string() + "\n");
    }
    let paths = [folder.join("en.csv"), folder.join("zh.jsonl")];
    for (path, text) in paths.iter().zip([csv, jsonl]) {
        sst_data::atomic::write(path, text.as_bytes()).unwrap();
    }
    format!("data.paths={}", json!(paths))
}

pub(crate) fn recipe(folder: &Path, run: &str, sets: &[&str]) -> Recipe {
    let mut recipe = Recipe::parse(RECIPE).unwrap().set(&corpus(folder)).unwrap();
    recipe = recipe.set(&format!("run.dir=\"{}\"", folder.join(run).display())).unwrap();
    for set in sets {
        recipe = recipe.set(set).unwrap();
    }
    recipe.default_cache(folder.join("cache"))
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_model_learns_the_labels_of_csv_and_json_lines_and_is_saved_with_their_names() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(recipe(folder.path(), "runs", &[])).unwrap();
    let Outcome::Finished { metrics, checkpoint, .. } = run.train().unwrap() else { panic!() };
    // Half of the records are good, and the entropy of the labels is 1.04 nats.
    assert!(metrics["eval/classify/correct"] > 0.65, "{metrics:?}");
    assert!(metrics["eval/classify/loss"] < 0.6, "{metrics:?}");
    let config = read(&checkpoint.join("model/config.json"));
    assert_eq!(config["architectures"], json!(["BertForSequenceClassification"]));
    assert_eq!(config["id2label"], json!({"0": "bad", "1": "good", "2": "plain"}));
    assert_eq!(config["label2id"], json!({"bad": 0, "good": 1, "plain": 2}));
    let head = HeadKind::SequenceClassification;
    let options = LoadOptions { head: LoadHead::Needed(head), ..LoadOptions::new(Device::Cpu) };
    let model = sst_models::open(&checkpoint.join("model"), &options).unwrap().model;
    assert_eq!(model.head(head).unwrap().num_outputs(), 3);
    let environment = read(&run.folder().join("environment.json"));
    assert_eq!(environment["data"]["documents"], 320);
    assert_eq!(environment["data"]["labels"], json!(["bad", "good", "plain"]));

    // A run that continues from this model has the same labels in the same order, although its data lacks one of them.
    let model = format!("model.path=\"{}\"", checkpoint.join("model").display());
    let mut short = String::new();
    for i in 0..40 {
        let mood = MOODS[1 - i % 2];
        short += &(json!({"text": format!("{mood} word {i}"), "mood": mood}).to_string() + "\n");
    }
    let path = folder.path().join("short.jsonl");
    sst_data::atomic::write(&path, short.as_bytes()).unwrap();
    let source = checkpoint.join("model");
    let trained = folder.path().join("source");
    copy(&source, &trained);
    let model = model.replace(&*source.to_string_lossy(), &trained.to_string_lossy());
    let next = |path: &Path, more: &[&str]| {
        let written = RECIPE.split("[tokenizer.train]").next().unwrap().to_owned()
            + &RECIPE[RECIPE.find("[objective]").unwrap()..];
        let written = Recipe::parse(&written).unwrap().default_cache(folder.path().join("cache"));
        let run_dir = format!("run.dir=\"{}\"", folder.path().join("next").display());
        let tokenizer = model.replace("model.path", "tokenizer.path");
        let paths = format!("data.paths={}", json!([path]));
        let sets = [&model, &tokenizer, &run_dir, &paths, "train.steps=2step", "run.name=next"];
        let sets = sets.into_iter().chain(more.iter().copied());
        let recipe = sets.fold(written, |recipe, set| recipe.set(set).unwrap());
        Run::new(recipe)?.train()
    };
    let Outcome::Finished { checkpoint, .. } = next(&path, &[]).unwrap() else { panic!() };
    assert_eq!(read(&checkpoint.join("model/config.json"))["id2label"], config["id2label"]);
    std::fs::remove_dir_all(folder.path().join("next")).unwrap();
    let unknown = short.replacen("\"good\"}", "\"merry\"}", 1);
    sst_data::atomic::write(&path, unknown.as_bytes()).unwrap();
    let error = next(&path, &[]).unwrap_err().to_string();
    assert!(error.contains("short.jsonl:2") && error.contains("`merry`"), "{error}");
    assert!(error.contains("`bad`, `good`, `plain`"), "{error}");
    assert!(error.contains("(`data.labels` in the recipe); without this key"), "{error}");

    // The outputs stand for the labels that they were trained for: another order is refused.
    sst_data::atomic::write(&path, short.as_bytes()).unwrap();
    let error = next(&path, &["data.labels=[\"good\",\"bad\",\"plain\"]"]).unwrap_err().to_string();
    assert!(error.contains("data.labels") && error.contains("bad, good, plain"), "{error}");
    let error = next(&path, &["model.config.problem_type=\"regression\""]).unwrap_err().to_string();
    assert!(
        error.contains("model.config.problem_type") && error.contains("data.labels"),
        "{error}"
    );
    // Outputs without names keep their order, whatever order the names have as text.
    let file = trained.join("config.json");
    let mut unnamed = config.clone();
    unnamed["id2label"] = json!({"0": "LABEL_0", "1": "LABEL_1", "2": "LABEL_2"});
    unnamed["label2id"] = json!({"LABEL_0": 0, "LABEL_1": 1, "LABEL_2": 2});
    // A head for any number of classes is not trained on for one class.
    unnamed["problem_type"] = json!("multi_label_classification");
    sst_data::atomic::write(&file, unnamed.to_string().as_bytes()).unwrap();
    let error = next(&path, &[]).unwrap_err().to_string();
    assert!(error.contains("objective.problem: trains a head for single_label"), "{error}");
    assert!(error.contains("is for multi_label_classification"), "{error}");
    unnamed["problem_type"] = json!(null);
    sst_data::atomic::write(&file, unnamed.to_string().as_bytes()).unwrap();
    let error = next(&path, &[]).unwrap_err().to_string();
    assert!(error.contains("`LABEL_0`, `LABEL_1`, `LABEL_2`"), "{error}");
    let given = ["data.labels=[\"plain\",\"good\",\"bad\"]"];
    let Outcome::Finished { checkpoint, .. } = next(&path, &given).unwrap() else { panic!() };
    let saved = read(&checkpoint.join("model/config.json"));
    assert_eq!(saved["id2label"], json!({"0": "plain", "1": "good", "2": "bad"}));
    assert_eq!(saved["problem_type"], "single_label_classification");
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
fn a_run_on_records_resumes_bit_for_bit_and_is_refused_with_other_labels() {
    let _alone = crate::alone();
    let folder = tempfile::tempdir().unwrap();
    let few = ["train.steps=6step", "train.save_every=2step"];
    let train = |dir: &str, stop_at: Option<u64>| {
        let mut run = Run::new(recipe(folder.path(), dir, &few)).unwrap();
        let flag = Arc::<AtomicBool>::default();
        run.resume(true).stop_flag(Arc::clone(&flag));
        if let Some(step) = stop_at {
            run.tracker(StopAt(step, flag));
        }
        (run.train().unwrap(), run.folder())
    };
    let (outcome, whole) = train("whole", None);
    assert!(matches!(outcome, Outcome::Finished { step: 6, .. }), "{outcome:?}");
    let (outcome, _) = train("broken", Some(3));
    assert!(matches!(outcome, Outcome::Stopped { .. }), "{outcome:?}");
    let (outcome, broken) = train("broken", None);
    assert!(matches!(outcome, Outcome::Finished { step: 6, .. }), "{outcome:?}");
    assert_eq!(verify::differences(&whole, &broken, 6).unwrap(), Vec::<String>::new());

    let more =
        ["train.steps=8step", "train.save_every=2step", "data.labels=['plain', 'bad', 'good']"];
    let mut run = Run::new(recipe(folder.path(), "broken", &more)).unwrap();
    let allow = ["train.steps".to_owned(), "data.labels".to_owned()];
    let error = run.resume(true).allow_change(allow).train().unwrap_err();
    assert!(matches!(&error, RunError::Resume(text) if text.contains("labels")), "{error}");
}

#[test]
fn keys_for_the_other_kind_of_data_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = |sets: &[&str]| {
        recipe(folder.path(), "runs", sets).check().map(|_| ()).unwrap_err().to_string()
    };
    let check = |sets: &[&str], expected: &[&str]| {
        let error = error(sets);
        assert!(expected.iter().all(|part| error.contains(part)), "{sets:?}: {error}");
    };
    let texts = "objective={ name = 'mlm' }";
    check(
        &[texts],
        &["recipe:11", "data.label_field: applies only to objectives on records", "`mlm`"],
    );
    let config = RECIPE.replace("label_field = \"mood\"\n", "");
    let written = Recipe::parse(&config).unwrap().set(&corpus(folder.path())).unwrap();
    let plain = written.set(texts).unwrap().check().map(|_| ()).unwrap_err().to_string();
    assert!(plain.contains("data.transform") && plain.contains("data.clean"), "{plain}");
    check(&["data.pair_fields=['b']"], &["data.pair_fields", "takes single texts"]);
    check(&["data.rows=chunk"], &["data.rows", "\"document\" for records"]);
    check(&["data.clean.nfkc=true"], &["data.clean", "[[data.transform]]"]);
    check(&["data.score_field=mood"], &["data.score_field"]);
    check(&["data.transform=[{ name = 'lowcase' }]"], &["data.transform[0].name", "lowercase"]);
    check(&["data.transform=[{ count = 1 }]"], &["data.transform[0].name: is missing"]);
    let wrong = "data.transform=[{ name = 'lowercase', count = 1 }]";
    check(&[wrong], &["unknown key data.transform[0].count"]);

    // Problems that need a tokenizer to be found are reported before the tokenizer is trained.
    let train = |sets: &[&str]| {
        Run::new(recipe(folder.path(), "runs", sets)).unwrap().train().unwrap_err().to_string()
    };
    let none = train(&["data.transform=[{ name = 'random_crop', count = 0 }]"]);
    assert!(none.contains("data.transform[0]: ") && none.contains("at least 1"), "{none}");
    let text = "data.transform=[{ name = 'lowercase' }, { name = 'augment', kind = 'deletion', rate = 'x' }]";
    let text = train(&[text]);
    let expected = "data.transform[1]: augmentation `deletion`: rate is \"x\" and must be a number";
    assert!(text.contains(expected), "{text}");
    let missing = train(&["data.label_field=tone"]);
    let expected = "en.csv:2 has no field `tone` (it has `id`, `text`, `mood`): choose another field \
                    (`data.label_field` in the recipe)";
    assert!(missing.contains(expected), "{missing}");
    let unknown = train(&["data.labels=['good', 'bad']"]);
    assert!(unknown.contains("en.csv:5") && unknown.contains("`plain`"), "{unknown}");
    assert!(unknown.ends_with("that has it (`data.labels` in the recipe)"), "{unknown}");
}

#[test]
fn the_configuration_of_a_run_on_records_resolves_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let config = recipe(folder.path(), "runs", &[]).check().unwrap().config;
    let text = config.to_toml().unwrap();
    assert!(text.contains("[[data.transform]]") && text.contains("unit = \"words\""), "{text}");
    let again = Recipe::parse(&text).unwrap().check().unwrap().config;
    assert_eq!((&config, text), (&again, again.to_toml().unwrap()));
}
