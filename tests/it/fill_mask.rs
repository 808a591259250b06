//! `sst fill-mask`.

use crate::sandbox::Sandbox;

#[test]
fn a_line_of_json_for_each_text() {
    let sandbox = Sandbox::trained();
    let (one, two) = ("the old [MASK] went to sea.", "[MASK] saw [MASK].");
    let args = ["fill-mask", "--text", one, "--text", two, "--top-k", "3", "--json", "--model"];
    for model in ["runs/r", "runs/r/checkpoints/latest", "runs/r/checkpoints/latest/model"] {
        let ended = sandbox.good(&[&args[..], &[model]].concat());
        let lines: Vec<serde_json::Value> =
            ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert_eq!((&lines[0]["version"], &lines[0]["text"]), (&1.into(), &one.into()));
        assert_eq!(lines[1]["masks"].as_array().unwrap().len(), 2);
        let predictions = lines[0]["masks"][0]["predictions"].as_array().unwrap();
        assert_eq!(predictions.len(), 3);
        let best = &predictions[0];
        let token = best["token"].as_str().unwrap();
        assert!(best["id"].is_u64());
        assert!(best["sequence"].as_str().unwrap().contains(token.trim_start_matches('#')));
        let (p, log_p) =
            (best["probability"].as_f64().unwrap(), best["log_probability"].as_f64().unwrap());
        assert!(p > 0.0 && p < 1.0 && (p.ln() - log_p).abs() < 1e-6);
    }
}

/// Characters that the tokenizer does not know are counted and shown.
#[test]
fn unknown_characters_of_the_text_are_reported() {
    let sandbox = Sandbox::trained();
    let args = ["fill-mask", "--model", "runs/r", "--json", "--text"];
    let plain = sandbox.good(&[&args[..], &["the old [MASK]."]].concat());
    assert!(plain.json()["ledger"].get("tokenize.unknown_tokens").is_none(), "{}", plain.stdout);
    let ended = sandbox.good(&[&args[..], &["the \u{4e2d} [MASK] \u{56fd}."]].concat());
    let entry = &ended.json()["ledger"]["tokenize.unknown_tokens"];
    assert_eq!((&entry["count"], &entry["items"][0]), (&2.into(), &"\u{4e2d}".into()));
    assert!(ended.stderr.contains("of the tokens are unknown"), "{}", ended.stderr);
}

#[test]
fn a_table_without_json_and_an_error_without_a_blank() {
    let sandbox = Sandbox::trained();
    let ended = sandbox.good(&["fill-mask", "--model", "runs/r", "--text", "the [MASK] man."]);
    assert_eq!(ended.stdout.lines().count(), 6, "{}", ended.stdout);
    assert!(ended.stdout.starts_with("the [MASK] man.\n"));
    let ended = sandbox.sst(&["fill-mask", "--model", "runs/r", "--text", "no blank"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("holds no [MASK]"), "{}", ended.stderr);
}

/// Control characters and line ends of a text never reach the table, not even in a pipe.
#[test]
fn texts_are_shown_in_a_line_without_control_characters() {
    let sandbox = Sandbox::trained();
    let text = "\u{1b}[31mthe [MASK]\nman";
    let ended = sandbox.good(&["fill-mask", "--model", "runs/r", "--top-k", "2", "--text", text]);
    let head = "\\u{1b}[31mthe [MASK]\\nman";
    assert!(ended.stdout.starts_with(&format!("{head}\n")), "{}", ended.stdout);
    assert!(!ended.stdout.contains('\u{1b}'), "{}", ended.stdout);
    assert_eq!(ended.stdout.lines().count(), 3, "{}", ended.stdout);
}
