//! Every record has a score, or there is an error with its place.

use super::*;
use sst_data::Field;

fn source(folder: &Folder, name: &str) -> Source {
    Source { score_field: Some("d".into()), ..folder.source(name) }
}

fn check_scores(name: &str, bytes: &[u8], expected: &[f64]) {
    let folder = Folder::new(&[(name, bytes)]);
    let score = |example: &Example| match example.fields.get("score") {
        Some(Field::Float(score)) => *score,
        other => panic!("{other:?}"),
    };
    let scores: Vec<_> = read(&source(&folder, name)).unwrap().iter().map(score).collect();
    assert_eq!(scores, expected, "{name}");
}

fn check_bad(name: &str, bytes: &[u8], expected: &str) {
    let folder = Folder::new(&[(name, bytes)]);
    let error = read(&source(&folder, name)).unwrap_err();
    let end = ", not a finite number: put it right or choose another `score_field`";
    assert_eq!(folder.strip(&error.to_string()), format!("{expected}{end}"));
}

#[test]
fn numbers_of_any_format_are_scores() {
    check_scores(
        "a.jsonl",
        b"{\"text\": \"x\", \"d\": 3}\n{\"text\": \"y\", \"d\": -0.5, \"score\": \"other\"}\n",
        &[3.0, -0.5],
    );
    check_scores("a.csv", b"text,d\nx, 1.5\ny,2e3\n", &[1.5, 2000.0]);
    check_scores("a.tsv", b"d\ttext\n7\tx\n", &[7.0]);
}

#[test]
fn a_score_that_is_not_a_number_is_reported_with_its_place() {
    check_bad(
        "a.jsonl",
        b"{\"text\": \"x\"}",
        "a.jsonl:1: the score in field `d` is missing or null",
    );
    let null = b"{\"text\": \"x\", \"d\": 1}\n{\"text\": \"x\", \"d\": null}";
    check_bad("a.jsonl", null, "a.jsonl:2: the score in field `d` is missing or null");
    check_bad("a.csv", b"text,d\nx,hard\n", "a.csv:2: the score in field `d` is text");
    check_bad("a.csv", b"text,d\nx,nan\n", "a.csv:2: the score in field `d` is nan");
    check_bad("a.csv", b"text,d\nx,1e39\n", "a.csv:2: the score in field `d` is 1e39");
    let infinite = b"{\"text\": \"x\", \"d\": 1}\n{\"text\": \"x\", \"d\": -Infinity}";
    check_bad("a.jsonl", infinite, "a.jsonl:2: the score in field `d` is -inf");
    check_bad(
        "a.jsonl",
        b"{\"text\": \"x\", \"d\": NaN}",
        "a.jsonl:1: the score in field `d` is NaN",
    );
    check_bad(
        "a.jsonl",
        b"{\"text\": \"x\", \"d\": 1e999}",
        "a.jsonl:1: the score in field `d` is inf",
    );
}

#[test]
fn records_without_a_score_are_skipped_and_counted() {
    let folder = Folder::new(&[("a.csv", b"text,d\nx,1\ny,\nz,NaN\nw,2\n")]);
    let ledger = Ledger::new();
    let source = Source { on_error: OnError::Skip, ..source(&folder, "a.csv") };
    let examples: Vec<_> = source.read(&ledger).unwrap().map(Result::unwrap).collect();
    assert_eq!(shown(&examples), ["2:x", "5:w"]);
    let entry = &ledger.entries()["read.bad_score"];
    assert_eq!((entry.count, folder.strip(entry.first.as_ref().unwrap())), (2, "a.csv:3".into()));
}
