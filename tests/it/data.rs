//! `sst data`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::sandbox::Sandbox;

#[test]
fn prepare_fills_the_cache_that_pretrain_uses() {
    let sandbox = Sandbox::new();
    let first = sandbox.good(&["data", "prepare", "recipe.toml", "--json"]);
    let store = first.json()["store"].as_str().unwrap().to_owned();
    assert!(sandbox.path(&store).join("manifest.json").is_file());
    assert_eq!(first.json()["documents"], 200);
    let again = sandbox.good(&["data", "prepare", "recipe.toml", "--json"]);
    assert_eq!(again.json(), first.json());
    assert!(first.stderr.contains("training a tokenizer") && !again.stderr.contains("training"));
    let ended = sandbox.good(&["pretrain", "recipe.toml"]);
    assert!(!ended.stderr.contains("training a tokenizer"), "{}", ended.stderr);
}

#[test]
fn inspect_counts_and_shows() {
    let sandbox = Sandbox::new();
    sandbox.write("a.jsonl", "{\"body\":\"one two three\"}\n{\"body\":\"四个字的\"}\n{\"no\":1}\n");
    let args = ["data", "inspect", "a.jsonl", "--text-field", "body", "--skip-errors", "--json"];
    let report = sandbox.good(&args).json();
    assert_eq!((&report["documents"], &report["documents_in_characters"]), (&2.into(), &1.into()));
    assert_eq!((&report["length"]["min"], &report["length"]["max"]), (&3.into(), &4.into()));
    assert_eq!(report["ledger"]["read.missing_field"]["first"], "a.jsonl:3");
    assert_eq!(report["first"][1]["key"], "a.jsonl:2");
    let ended = sandbox.sst(&args[..5]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("a.jsonl:3 has no field `body`"), "{}", ended.stderr);
}

#[test]
fn clean_writes_json_lines_and_counts_what_it_drops() {
    let sandbox = Sandbox::new();
    sandbox.write("raw.txt", "one  two\u{200b}\none two\nx\n");
    let ended = sandbox.good(&["data", "clean", "raw.txt", "--dedup", "--min-length", "2"]);
    assert_eq!(ended.stdout, "{\"text\":\"one two\"}\n");
    assert!(ended.stderr.contains("clean.duplicate") && ended.stderr.contains("clean.too_short"));
}

#[test]
fn clean_keeps_the_other_fields_as_they_are() {
    let sandbox = Sandbox::new();
    let fields = r#""id":18446744073709551615,"big":123456789012345678901234567890,"ok":true,"none":null,"tags":["x", "y"],"meta":{"url":"http://a"},"f":1.0,"n":NaN"#;
    sandbox.write("rich.jsonl", format!("{{\"a\":1,\"text\":\"one  two\",{fields}}}\n"));
    let ended = sandbox.good(&["data", "clean", "rich.jsonl"]);
    assert_eq!(ended.stdout, format!("{{\"a\":1,\"text\":\"one two\",{fields}}}\n"));
    let ended = sandbox.good(&["data", "augment", "rich.jsonl", "--kind", "crop"]);
    assert!(
        ended.stdout.ends_with(&format!("\"kind\":[\"crop\"],\"a\":1,{fields}}}\n")),
        "{}",
        ended.stdout
    );
    // A field called `text` is replaced by the one that is read as the text, which is counted.
    sandbox.write("rename.jsonl", "{\"text\":\"old\",\"body\":\"new\",\"id\":1}\n");
    let ended = sandbox.good(&["data", "clean", "rename.jsonl", "--text-field", "body"]);
    assert_eq!(ended.stdout, "{\"text\":\"new\",\"id\":1}\n");
    assert!(ended.stderr.contains("clean.field_replaced"), "{}", ended.stderr);
    sandbox.write("forms.jsonl", "{\"text\":\"caf\u{e9}\"}\n{\"text\":\"cafe\u{301}\"}\n");
    let ended = sandbox.good(&["data", "clean", "forms.jsonl", "--nfc", "--dedup"]);
    assert_eq!(ended.stdout, "{\"text\":\"caf\u{e9}\"}\n");
    let ended = sandbox.sst(&["data", "clean", "forms.jsonl", "--nfc", "--nfkc"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn test_data_is_kept_apart_and_unused_columns_are_listed() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("set")).unwrap();
    for (name, id) in [("train", 1), ("test", 2), ("validation", 3)] {
        let line = format!("{{\"text\":\"one of {name}\",\"id\":{id},\"url\":null}}\n");
        sandbox.write(&format!("set/{name}.jsonl"), line);
    }
    let ended = sandbox.good(&["data", "inspect", "set", "--json"]);
    let report = ended.json();
    assert_eq!((&report["files"], &report["documents"]), (&1.into(), &1.into()));
    assert_eq!(report["ledger"]["read.other_splits"]["count"], 2);
    assert_eq!(report["ledger"]["unused.columns"]["items"], serde_json::json!(["id", "url"]));
    assert!(
        ended.stderr.contains("files of the splits test, validation are kept apart"),
        "{}",
        ended.stderr
    );
    let named = sandbox.good(&["data", "inspect", "set/test.jsonl", "set/train.jsonl", "--json"]);
    assert_eq!(named.json()["documents"], 2);
}

#[test]
fn a_closed_pipe_is_no_error() {
    let sandbox = Sandbox::new();
    let many: String = (0..50_000).map(|i| format!("document number {i}\n")).collect();
    sandbox.write("many.txt", many);
    let mut command = sandbox.command(&["data", "clean", "many.txt"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "{\"text\":\"document number 0\"}\n");
    // The pipe is closed now.
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
