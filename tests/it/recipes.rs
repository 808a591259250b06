//! The recipes of the repository.

use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};

use crate::picture_commands::line;
use crate::sandbox::{Sandbox, repository};

/// What `--dry-run` prints for a recipe.
fn resolved(mut sst: Command) -> String {
    let output = sst.output().unwrap();
    assert!(output.status.success(), "{sst:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn recipes() -> Vec<String> {
    let names = repository().join("recipes").read_dir().unwrap();
    let files = names.filter(|entry| entry.as_ref().unwrap().path().is_file());
    files.map(|entry| format!("recipes/{}", entry.unwrap().file_name().to_str().unwrap())).collect()
}

/// A folder with everything that the recipes refer to: the books, a substitute for the downloaded pairs, and short
/// runs of the recipes that others continue from.
fn surroundings() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in ["corpora", "recipes"] {
        symlink(repository().join(name), sandbox.path(name)).unwrap();
    }
    std::fs::create_dir(sandbox.path("translations")).unwrap();
    let words = ["sea", "land", "water", "light", "night", "day", "man", "hill"];
    let signs = ["海", "地", "水", "光", "夜", "日", "人", "山"];
    let pair = |i: usize, j: usize| {
        let en = format!("The {} saw the {}.", words[i], words[j]);
        json!({ "en": en, "zh": format!("{}见{}。", signs[i], signs[j]) })
    };
    let pairs = (0..64).map(|i| format!("{}\n", pair(i / 8, i % 8)));
    sandbox.write("translations/train.jsonl", pairs.collect::<String>());
    let verse = |(text, label)| format!("{}\n", json!({ "text": text, "label": label }));
    let verses = [("And it was so.", "law"), ("Praise ye the LORD.", "poetry")].map(verse);
    std::fs::create_dir(sandbox.path("verses")).unwrap();
    for part in ["train", "validation", "test"] {
        sandbox.write(&format!("verses/{part}.jsonl"), verses.concat().repeat(20));
    }
    std::fs::create_dir(sandbox.path("mnist")).unwrap();
    sandbox.write("mnist/train.jsonl", (0..20).map(line).collect::<String>());
    shortly(&sandbox, "demo", &["data.paths=[\"corpus.txt\"]", "tokenizer.train.vocab_size=300"]);
    shortly(&sandbox, "translations-mlm", &["tokenizer.train.vocab_size=300"]);
    sandbox
}

/// Runs two steps of a recipe.
fn shortly(sandbox: &Sandbox, name: &str, set: &[&str]) {
    let recipe = format!("recipes/{name}.toml");
    let mut args = vec!["pretrain", &recipe];
    let short = ["train.steps=2step", "train.schedule.warmup=0step", "train.log_every=1"];
    // With so few held-out rows, there may be no token to predict.
    let small =
        ["train.batch_size=8", "train.micro_batch_size=8", "data.validation=0", "run.device=cpu"];
    for set in short.iter().chain(&small).chain(set) {
        args.extend(["--set", set]);
    }
    sandbox.good(&args);
}

#[test]
fn every_recipe_resolves_and_its_resolved_form_resolves_to_itself() {
    let sandbox = surroundings();
    assert!(recipes().len() >= 3);
    for recipe in recipes() {
        let config = resolved(sandbox.command(&["pretrain", "--dry-run", &recipe]));
        sandbox.write("config.toml", &config);
        let again = resolved(sandbox.command(&["pretrain", "--dry-run", "config.toml"]));
        assert_eq!(config, again, "{recipe}");
    }
}

#[test]
fn recipes_continue_from_the_runs_of_others() {
    let sandbox = surroundings();
    shortly(&sandbox, "simcse", &["data.paths=[\"corpus.txt\"]"]);
    shortly(&sandbox, "translations", &[]);
    shortly(&sandbox, "verses", &["train.keep={ last = 2 }"]);
    let args = ["predict", "--model", "runs/verses", "--text", "And it was so.", "--json"];
    assert_eq!(sandbox.good(&args).json()["labels"].as_array().unwrap().len(), 2);
    for run in ["simcse", "translations"] {
        let metrics = sandbox.read(&format!("runs/{run}/metrics.jsonl"));
        let rows = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let losses: Vec<f64> = rows.filter_map(|row| row["train/loss"].as_f64()).collect();
        assert!(losses.len() == 2 && losses.iter().all(|loss| loss.is_finite()), "{metrics}");
        // The evaluation uses the pooling of the training, and no text is truncated.
        let model = format!("runs/{run}");
        let data = ["--data", "translations/train.jsonl", "--fields", "en,zh", "--json"];
        let found = sandbox.good(&[&["eval", "retrieval", "--model", &model], &data[..]].concat());
        assert_eq!(found.json()["counts"], json!({ "queries": 64, "corpus": 64 }), "{run}");
    }
    // Without dropout, the two views of SimCSE would be equal.
    let config = sandbox.json("runs/simcse/checkpoints/latest/model/config.json");
    assert_eq!(
        (&config["hidden_dropout_prob"], &config["attention_probs_dropout_prob"]),
        (&0.3.into(), &0.3.into())
    );
}

#[test]
fn every_page_names_measurements_that_exist() {
    let sandbox = surroundings();
    let pages = repository().join("recipes/pages").read_dir().unwrap();
    for page in pages.map(|entry| entry.unwrap().file_name()) {
        let page = format!("recipes/pages/{}", page.to_str().unwrap());
        let shown = sandbox.good(&["evaluate", &page, "--dry-run"]).stdout;
        assert!(shown.lines().count() > 1 && shown.contains("sst eval "), "{page}: {shown}");
        let text = std::fs::read_to_string(repository().join(&page)).unwrap();
        assert!(
            text.contains(&format!("#   sst evaluate {page}")),
            "{page} does not say how to run it"
        );
    }
}

#[test]
fn every_key_of_every_recipe_has_a_comment() {
    for recipe in recipes() {
        let text = std::fs::read_to_string(repository().join(&recipe)).unwrap();
        assert!(text.starts_with("# "), "{recipe} does not say what it is");
        assert!(text.contains("#   sst pretrain recipes/"), "{recipe} does not say how to run it");
    }
}

#[test]
fn the_demo_shows_every_key_there_is() {
    let text = std::fs::read_to_string(repository().join("recipes/demo.toml")).unwrap();
    let mut sst = Command::new(env!("CARGO_BIN_EXE_sst"));
    sst.args(["pretrain", "--dry-run", "recipes/demo.toml"]).current_dir(repository());
    let config: Value = toml::from_str(&resolved(sst)).unwrap();
    for section in ["run", "data", "objective", "train"] {
        for (key, value) in config[section].as_object().unwrap() {
            if value.is_object() {
                assert!(text.contains(&format!("[{section}.{key}]")), "[{section}.{key}]");
                let keys = value.as_object().unwrap().keys();
                keys.for_each(|key| assert!(text.contains(&format!("\n{key} = ")), "{key}"));
            } else {
                assert!(text.contains(&format!("\n{key} = ")), "{section}.{key}");
            }
        }
    }
}
