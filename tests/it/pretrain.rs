//! A complete run, and the files that it writes.

use std::process::Stdio;
use std::time::Duration;

use crate::sandbox::Sandbox;

#[test]
fn a_run_writes_all_its_files() {
    let sandbox = Sandbox::trained();
    for name in [
        "config.toml",
        "environment.json",
        "metrics.jsonl",
        "ledger.json",
        "loss.png",
        "checkpoints/latest/model/config.json",
        "checkpoints/latest/model/model.safetensors",
        "checkpoints/latest/model/tokenizer.json",
        "checkpoints/latest/model/tokenizer_config.json",
        "checkpoints/latest/model/README.md",
        "checkpoints/step-00000012/MANIFEST.json",
    ] {
        assert!(sandbox.path("runs/r").join(name).is_file(), "{name}");
    }
    let losses: Vec<f64> = sandbox
        .read("runs/r/metrics.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter_map(|row| row["train/loss"].as_f64())
        .collect();
    assert_eq!(losses.len(), 12);
    assert!(losses[11] < losses[0] - 0.3, "{losses:?}");
    let environment = sandbox.json("runs/r/environment.json");
    assert_eq!((&environment["device"], &environment["threads"]), (&"cpu".into(), &1.into()));
    assert_eq!(environment["libtorch"], "2.11.0");
    assert_eq!(environment["data"]["documents"], 200);
}

#[test]
fn the_same_recipe_gives_the_same_bytes_and_config_toml_is_a_recipe() {
    let sandbox = Sandbox::trained();
    sandbox.good(&["pretrain", "runs/r/config.toml", "--set", "run.name=again"]);
    let model = |run: &str| {
        let file = format!("runs/{run}/checkpoints/latest/model/model.safetensors");
        std::fs::read(sandbox.path(&file)).unwrap()
    };
    assert_eq!(model("r"), model("again"));
    let config = |run: &str| sandbox.read(&format!("runs/{run}/config.toml"));
    assert_eq!(config("r"), config("again").replace("\"again\"", "\"r\""));
    sandbox.good(&["pretrain", "recipe.toml", "--set", "run.name=other", "--set", "run.seed=8"]);
    assert_ne!(model("r"), model("other"));
}

#[test]
fn with_json_only_the_result_is_on_stdout() {
    let sandbox = Sandbox::new();
    let outcome = sandbox.good(&["pretrain", "recipe.toml", "--json"]).json();
    assert_eq!((&outcome["version"], &outcome["status"]), (&1.into(), &"finished".into()));
    assert_eq!((&outcome["step"], &outcome["run"]), (&12.into(), &"runs/r".into()));
    assert!(outcome["metrics"]["eval/mask-accuracy/loss"].is_f64(), "{outcome}");
    assert!(sandbox.path(outcome["model"].as_str().unwrap()).join("config.json").is_file());
}

#[test]
fn ctrl_c_finishes_the_step_saves_and_prints_how_to_resume() {
    let sandbox = Sandbox::new();
    let set = ["--set", "train.steps=100000step", "--set", "train.save_every=0"];
    let mut command = sandbox.command(&[&["pretrain", "recipe.toml", "--json"], &set[..]].concat());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Wait until the run trains: before that, a signal ends it without a checkpoint.
    let metrics = sandbox.path("runs/r/metrics.jsonl");
    for _ in 0..600 {
        if std::fs::read_to_string(&metrics).is_ok_and(|text| text.lines().count() > 3) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    signal("INT", child.id());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.contains("--resume"), "{stderr}");
    let outcome: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(outcome["status"], "stopped");
    let verified = sandbox.good(&["checkpoint", "verify", "runs/r", "--json"]).json();
    assert_eq!(verified["checkpoints"][0]["step"], outcome["step"]);
    assert_eq!(verified["good"], true);
}

/// Sends a signal.
fn signal(name: &str, process: u32) {
    let status = std::process::Command::new("kill")
        .arg(format!("-{name}"))
        .arg(process.to_string())
        .status();
    assert!(status.unwrap().success());
}
