//! `sst pretrain --profile`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::sandbox::Sandbox;

/// The total time that the threads of a trace spent in operators.
fn milliseconds_within(events: &[Value]) -> f64 {
    let mut spans: BTreeMap<u64, Vec<[f64; 2]>> = BTreeMap::new();
    for event in events.iter().filter(|event| event["cat"] == "cpu_op") {
        let number = |key: &str| event[key].as_f64().unwrap();
        let start = number("ts");
        let thread = event["tid"].as_u64().unwrap();
        spans.entry(thread).or_default().push([start, start + number("dur")]);
    }
    let mut microseconds = 0.0;
    for spans in spans.values_mut() {
        spans.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let mut until = f64::NEG_INFINITY;
        for &[start, end] in spans.iter().filter(|[start, end]| end > start) {
            microseconds += (end - start.max(until)).max(0.0);
            until = until.max(end);
        }
    }
    microseconds / 1000.0
}

#[test]
fn a_profile_lists_the_operators_and_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.good(&["pretrain", "recipe.toml", "--profile", "4"]);
    let table = sandbox.read("runs/r/profile/table.md");
    assert!(table.contains("\n4 steps in "), "{table}");
    let number = |cell: &str| cell.trim_matches([' ', '|', '%']).parse::<f64>().ok();
    // The calls, self time in milliseconds and fraction of each operator, by name.
    let by_name = table.split("by shapes").next().unwrap();
    let rows: Vec<_> = by_name
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("| ")?.split_once(" | ")?;
            let numbers: Vec<f64> = rest.split(" | ").map(number).collect::<Option<_>>()?;
            Some((name, <[f64; 3]>::try_from(numbers).ok()?))
        })
        .collect();
    assert!(rows.len() > 20, "{table}");
    // Operators that every step uses, including kernels of sst.
    for operator in ["aten::mm", "sst::adamw", "sst::residual_norm"] {
        let row = rows.iter().find(|(name, _)| *name == operator);
        assert!(row.is_some_and(|(_, [calls, own, _])| *calls >= 1.0 && *own > 0.0), "{table}");
    }
    let (_, whole) = table.split_once(" s, ").unwrap();
    let whole = number(whole.split_once(" ms").unwrap().0).unwrap();
    for (name, [_, own, share]) in &rows {
        assert!((100.0 * own / whole - share).abs() < 0.06, "{name} in {table}");
    }
    let trace: Value = sandbox.json("runs/r/profile/trace.json");
    let events = trace["traceEvents"].as_array().unwrap();
    assert!(events.len() > 100);
    // The self times add up to the recorded time, so nothing is counted twice or lost.
    let own: f64 = rows.iter().map(|(_, [_, own, _])| own).sum();
    let recorded = milliseconds_within(events) / 4.0;
    let rounding = 0.0005 * rows.len() as f64 + 0.001 * recorded;
    assert!((own - recorded).abs() <= rounding, "{own} ms of {recorded} in {table}");
    assert!(own <= whole * 1.01, "{own} ms of {whole}");
    // Profiling does not change the run.
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
