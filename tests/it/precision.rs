//! The precision of a run is decided when it starts, and kept when it is resumed on another machine.

use serde_json::Value;

use crate::sandbox::{Ended, RECIPE, Sandbox};

/// A sandbox whose recipe sets this precision, or `auto`.
fn sandbox(precision: Option<&str>) -> Sandbox {
    let sandbox = Sandbox::new();
    let line = precision.map_or(String::new(), |name| format!("precision = \"{name}\"\n"));
    sandbox.write("recipe.toml", RECIPE.replace("precision = \"fp32\"\n", &line));
    sandbox
}

/// Runs `sst` at a CPU level.
fn at_level(sandbox: &Sandbox, level: &str, args: &[&str]) -> Ended {
    sandbox.command(args).env("SST_CPU", level).output().unwrap().into()
}

fn precision_of(sandbox: &Sandbox) -> Value {
    let config: Value = toml::from_str(&sandbox.read("runs/r/config.toml")).unwrap();
    config["train"]["precision"].clone()
}

/// The available CPU levels, and the precision that `auto` chooses at the current one.
fn doctor(sandbox: &Sandbox) -> (Vec<String>, Value) {
    let told = sandbox.good(&["doctor", "--json"]).json();
    let levels = serde_json::from_value(told["cpu"]["levels"].clone()).unwrap();
    (levels, told["products"]["auto"].clone())
}

#[test]
fn auto_is_decided_by_the_processor_and_written_with_the_run() {
    for precision in [None, Some("auto")] {
        let sandbox = sandbox(precision);
        let (_, auto) = doctor(&sandbox);
        let ended = sandbox.good(&["pretrain", "recipe.toml"]);
        assert_eq!(precision_of(&sandbox), auto);
        let told = format!("precision {}:", auto.as_str().unwrap());
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    }
}

/// A run that was started without bf16 instructions continues in fp32 on a processor with them, to the same weights.
#[test]
fn a_resumed_run_keeps_its_precision_on_another_processor() {
    let sandbox = sandbox(None);
    let (levels, _) = doctor(&sandbox);
    let ended = at_level(&sandbox, "portable", &["pretrain", "recipe.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("precision fp32: there are no bf16 instructions at level portable")
    );
    assert_eq!(precision_of(&sandbox), "fp32");
    for later in [8, 12] {
        let folder = format!("runs/r/checkpoints/step-{later:08}");
        std::fs::remove_dir_all(sandbox.path(&folder)).unwrap();
    }
    for level in levels.iter().rev() {
        let ended = at_level(&sandbox, level, &["pretrain", "recipe.toml", "--resume"]);
        assert_eq!(ended.code, Some(0), "{level}: {}", ended.stderr);
        assert_eq!(precision_of(&sandbox), "fp32", "{level}");
        assert!(
            ended.stderr.contains("precision fp32: the run was started with it"),
            "{}",
            ended.stderr
        );
        // Other instructions round differently, and environment.json records which were used.
        let warned =
            format!(" and is {level}: the run continues, but its weights will differ slightly");
        assert_eq!(ended.stderr.contains(&warned), levels.len() > 1, "{}", ended.stderr);
        let environment = sandbox.read("runs/r/environment.json");
        assert_eq!(serde_json::from_str::<Value>(&environment).unwrap()["cpu"]["level"], **level);
        // At the next level, the run is already at its last step.
    }
    // A different precision is refused.
    let args = ["pretrain", "recipe.toml", "--resume", "--set", "train.precision=bf16"];
    let ended = sandbox.sst(&args);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("train.precision was \"fp32\" and is \"bf16\""),
        "{}",
        ended.stderr
    );
    // If the change is allowed, `auto` decides again.
    let args = ["pretrain", "recipe.toml", "--resume", "--allow-change", "train.precision"];
    let ended = sandbox.good(&args);
    assert_eq!(precision_of(&sandbox), doctor(&sandbox).1, "{}", ended.stderr);
}

#[test]
fn a_precision_by_name_is_printed_with_the_level() {
    let sandbox = sandbox(Some("bf16"));
    let ended = at_level(&sandbox, "portable", &["pretrain", "recipe.toml"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let told =
        "precision bf16: as the recipe says, computed with fp32 instructions at level portable";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

#[test]
fn bf16_weights_are_for_where_precision_is_bf16() {
    let sandbox = sandbox(Some("auto"));
    let set = ["pretrain", "recipe.toml", "--set", "train.bf16_weights=true"];
    let ended = at_level(&sandbox, "portable", &set);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(ended.stderr.contains("weights stay in fp32"), "{}", ended.stderr);
    let ended = sandbox.sst(&[&set[..], &["--resume"]].concat());
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let ended = sandbox.sst(&[&set[..], &["--set", "train.precision=fp32"]].concat());
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn fp16_on_the_cpu_is_refused() {
    let sandbox = sandbox(Some("fp16"));
    let ended = sandbox.sst(&["pretrain", "recipe.toml"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(ended.stderr.contains("runs on GPUs only"), "{}", ended.stderr);
    assert!(!sandbox.path("runs/r").exists());
    let ended = sandbox.sst(&["pretrain", "recipe.toml", "--dry-run", "--set", "run.device=cpu"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn an_unknown_level_is_an_error_of_every_command() {
    let sandbox = Sandbox::new();
    for args in [&["doctor"][..], &["pretrain", "recipe.toml"], &["data", "prepare", "recipe.toml"]]
    {
        let ended = at_level(&sandbox, "mmx", args);
        assert_eq!(ended.code, if args[0] == "doctor" { Some(1) } else { Some(2) }, "{args:?}");
        assert!(ended.stderr.contains("SST_CPU=mmx is not a level"), "{}", ended.stderr);
    }
}
