//! Runs of task heads that are killed and resumed end like uninterrupted ones.

use serde_json::json;

use crate::sandbox::Sandbox;
use crate::task_heads::{lines, recipe, tagged};

/// Kills a run of `recipe.toml` with these overrides, resumes it, and compares it with an uninterrupted one.
fn resumes_exactly(sandbox: &Sandbox, more: &[&str]) {
    let fixed = [
        "train.steps=60step",
        "train.eval_every=20step",
        "train.save_every=5step",
        "train.log_every=1",
        "model.hidden_dropout_prob=0.1",
    ];
    let mut args = vec!["verify-resume", "task.toml", "--kills", "3", "--json"];
    for setting in fixed.iter().chain(more) {
        args.extend(["--set", setting]);
    }
    let report = sandbox.good(&args).json();
    assert_eq!(report["identical"], true, "{more:?}: {report}");
    assert!(report["killed_at"].as_array().is_some_and(|kills| !kills.is_empty()), "{report}");
}

/// The records have all fields that the objectives read.
fn records() -> String {
    lines((0..80).map(|seed| {
        let (text, entities) = tagged(seed, 4 + seed % 20);
        let label = if text.contains("来到") { "came" } else { "stayed" };
        let start = entities.first().map_or(0, |one| one["start"].as_u64().unwrap() as usize);
        let answer: String = text.chars().skip(start).take(2).collect();
        let answers = json!({"text": [answer], "answer_start": [start]});
        json!({"text": text, "entities": entities, "label": label, "question": "who",
               "context": text, "answers": answers})
    }))
}

#[test]
fn each_objective_of_a_task_head_resumes_bit_for_bit() {
    let sandbox = Sandbox::new();
    sandbox.write("train.jsonl", records());
    for objective in ["tag", "answer", "classify"] {
        let keys = format!("name = \"{objective}\"");
        sandbox.write("task.toml", recipe(&keys, "paths = [\"train.jsonl\"]", 60));
        resumes_exactly(&sandbox, &[]);
        resumes_exactly(
            &sandbox,
            &["train.early_stopping.patience=2", "train.keep.last=1", "train.keep.best=1"],
        );
    }
}

#[test]
fn adapters_resume_bit_for_bit() {
    let sandbox = Sandbox::new();
    sandbox.write("train.jsonl", records());
    sandbox.write("task.toml", recipe("name = \"tag\"", "paths = [\"train.jsonl\"]", 20));
    sandbox.good(&["train", "task.toml", "--set", "run.name=base"]);
    let base = sandbox.path("runs/base/checkpoints/latest/model").display().to_string();
    for objective in ["tag", "answer", "classify"] {
        let keys = format!("name = \"{objective}\"");
        let mut text = recipe(&keys, "paths = [\"train.jsonl\"]", 60);
        let from = text.find("[tokenizer.train]").unwrap();
        let model = format!(
            "[tokenizer]\npath = \"{base}\"\n\n[model]\npath = \"{base}\"\n\n[model.lora]\nrank = 4\nalpha = 8.0\n\
             dropout = 0.1\n\n"
        );
        text.replace_range(from..text.find("[objective]").unwrap(), &model);
        sandbox.write("task.toml", text);
        // The keys of the model are those of its folder.
        let args = [
            "verify-resume",
            "task.toml",
            "--kills",
            "3",
            "--json",
            "--set",
            "train.save_every=5step",
        ];
        let report = sandbox.good(&args).json();
        assert_eq!(report["identical"], true, "{objective}: {report}");
    }
}
