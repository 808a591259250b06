//! `sst pretrain --profile`.

use serde_json::Value;

use crate::sandbox::Sandbox;

#[test]
fn a_profile_lists_the_operators_and_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.good(&["pretrain", "recipe.toml", "--profile", "4"]);
    let table = sandbox.read("runs/r/profile/table.md");
    assert!(table.contains("\n4 steps in "), "{table}");
    // What a step cannot do without, ours among them.
    for operator in ["aten::mm", "sst::adamw", "sst::residual_norm"] {
        assert!(table.contains(&format!("| {operator} | ")), "{operator} in {table}");
    }
    let shares = table.lines().filter_map(|line| {
        let cells: Vec<_> = line.split(" | ").collect();
        cells.last()?.strip_suffix(" % |")?.parse::<f64>().ok()
    });
    let by_name: f64 = table
        .split("by shapes")
        .next()
        .into_iter()
        .flat_map(str::lines)
        .filter_map(|line| line.rsplit(" | ").next()?.strip_suffix(" % |")?.parse::<f64>().ok())
        .sum();
    // Own times do not overlap: together they are at most the whole, and most of it is in them.
    assert!((10.0..101.0).contains(&by_name), "{by_name}");
    assert!(shares.count() > 20);
    let trace: Value = sandbox.json("runs/r/profile/trace.json");
    assert!(trace["traceEvents"].as_array().is_some_and(|events| events.len() > 100));
    // The run itself is as without.
    let losses = |name: &str| -> Vec<Value> {
        let text = sandbox.read(&format!("runs/{name}/metrics.jsonl"));
        let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.map(|row| row["train/loss"].clone()).collect()
    };
    sandbox.good(&["pretrain", "recipe.toml", "--set", "run.name=plain"]);
    assert_eq!(losses("r"), losses("plain"));
}

#[test]
fn a_run_too_short_for_a_profile_says_so() {
    let sandbox = Sandbox::new();
    let args = ["pretrain", "recipe.toml", "--profile", "4", "--set", "train.steps=3"];
    let ended = sandbox.good(&args);
    assert!(ended.stderr.contains("nothing was recorded"), "{}", ended.stderr);
    assert!(!sandbox.path("runs/r/profile").exists());
}
