//! Fields that are returned, fields that are skipped and listed, and fields that are kept as they are.

use sst_data::Field;
use sst_data::read::limits::MAX_UNUSED_NAMES;

use super::*;

fn with_others(source: Source, names: &[&str]) -> Source {
    Source { other_fields: names.iter().map(|name| name.to_string()).collect(), ..source }
}

#[test]
fn used_fields_are_given_and_others_are_listed() {
    let line = br#"{"id": 7, "text": "hi", "real": 0.5, "flag": true, "big": 18446744073709551615, "list": [1], "none": null, "lang": "en", "x": 1, "y": {"z": 2}}"#;
    let folder = Folder::new(&[("a.jsonl", line)]);
    let names = ["id", "real", "flag", "big", "list", "none", "lang"];
    let (source, ledger) = (with_others(folder.source("a.jsonl"), &names), Ledger::new());
    let example = source.read(&ledger).unwrap().next().unwrap().unwrap();
    let fields: Vec<_> = example.fields.iter().map(|(k, v)| (&**k, v.clone())).collect();
    let text = |s: &str| Field::Text(s.into());
    let expected = [
        ("big", Field::Float(18_446_744_073_709_551_615.0)),
        ("flag", Field::Int(1)),
        ("id", Field::Int(7)),
        ("lang", text("en")),
        ("real", Field::Float(0.5)),
        ("text", text("hi")),
    ];
    assert_eq!(fields, expected);
    assert_eq!(ledger.entries()["unused.columns"].items, ["x", "y"]);
}

#[test]
fn unused_columns_are_listed_once_over_all_files() {
    let folder = Folder::new(&[
        ("a.jsonl", b"{\"text\": \"a\", \"url\": 1}\n{\"text\": \"b\", \"date\": 2, \"url\": 3}\n"),
        ("b.csv", b"text,url,lang\na,b,c\n"),
        ("c.tsv", b"title\ttext\na\tb\n"),
    ]);
    let ledger = Ledger::new();
    assert_eq!(folder.source("").read(&ledger).unwrap().map(Result::unwrap).count(), 4);
    let entry = &ledger.entries()["unused.columns"];
    assert_eq!(entry.items, ["date", "lang", "title", "url"]);
    // Keys that are data do not fill up the ledger.
    let many: String =
        (0..2000).map(|i| format!("{{\"text\": \"a\", \"key {i}\": 1}}\n")).collect();
    let (folder, ledger) = (Folder::new(&[("a.jsonl", many.as_bytes())]), Ledger::new());
    assert_eq!(folder.source("a.jsonl").read(&ledger).unwrap().count(), 2000);
    let entry = &ledger.entries()["unused.columns"];
    assert_eq!(entry.items.len(), MAX_UNUSED_NAMES + 1);
    assert_eq!(entry.items[0], "and others");
}

#[test]
fn invalid_values_of_unused_fields_are_ignored() {
    for odd in [
        "NaN",
        "-Infinity",
        "[1.0, NaN]",
        "1e999",
        "9e-999",
        &"9".repeat(400),
        r#""half \ud83d of a pair""#,
        r#"{"k\udc99": [[], {"a": null}]}"#,
    ] {
        let line = format!("{{\"x\": {odd}, \"text\": \"fine\"}}");
        check("a.jsonl", line.as_bytes(), &["1:fine"]);
        let folder = Folder::new(&[("a.jsonl", line.as_bytes())]);
        let whole = folder
            .source("a.jsonl")
            .read_all_fields(&Ledger::new())
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        assert_eq!(whole.fields[0].json, format!("\"x\":{odd}"));
    }
    check("a.jsonl", br#"{"text": "fine", "k\ud83d": 1}"#, &["1:fine"]);
    let fault = |escape: &str| {
        format!(
            "a.jsonl:1: field `text` holds {escape}, half of a surrogate pair and no character: write the text \
             again, in Python with `text.encode('utf-16', 'surrogatepass').decode('utf-16', 'replace')`"
        )
    };
    check_error("a.jsonl", br#"{"text": "cut \ud83d off"}"#, &fault("\\ud83d"));
    check_error(
        "a.jsonl",
        br#"{"text": "pair \ud83d\ude00, \\ud83d and \uDC99"}"#,
        &fault("\\uDC99"),
    );
    let nan =
        "a.jsonl:1: field `text` is a number, not a string: choose another field or convert it";
    check_error("a.jsonl", b"{\"text\": NaN}", nan);
}

#[test]
fn a_duplicate_key_is_an_error() {
    for (line, name) in [
        (r#"{"text": "a", "text": "b"}"#, "text"),
        (r#"{"x": 1, "text": "a", "x": 2}"#, "x"),
        (r#"{"x": 1, "text": "a", "\u0078": 2}"#, "x"),
    ] {
        let reason =
            format!("a.jsonl:1: the key `{name}` occurs twice in the object: remove one of them");
        check_error("a.jsonl", line.as_bytes(), &reason);
    }
    let wide = |last: &str| {
        let fields: String = (0..100).map(|i| format!("\"k{i}\": {i}, ")).collect();
        format!("{{{fields}\"{last}\": 1, \"text\": \"a\"}}")
    };
    check("a.jsonl", wide("k100").as_bytes(), &["1:a"]);
    check_skip(
        "a.jsonl",
        wide("k3").as_bytes(),
        &[],
        &[("read.malformed", 1, "a.jsonl:1"), ("unused.columns", 100, "")],
    );
    // Inside the value of an unused field it is allowed.
    check("a.jsonl", br#"{"meta": {"a": 1, "a": 2}, "text": "a"}"#, &["1:a"]);
}

/// The fields of all documents as JSON. The text field is `TEXT`.
fn whole(source: &Source) -> (Vec<Vec<String>>, Ledger) {
    let ledger = Ledger::new();
    let fields = source.read_all_fields(&ledger).unwrap().map(|document| {
        let fields = document.unwrap().fields.into_iter();
        fields.map(|field| if field.is_text { "TEXT".to_owned() } else { field.json }).collect()
    });
    (fields.collect(), ledger)
}

#[test]
fn all_fields_are_kept_as_they_are() {
    let line = r#"{"id":18446744073709551615,"big":123456789012345678901234567890,"text":"a","ok":true,"none":null,"tags":["x", "y"],"f":1.0,"e":1E5,"i":-9223372036854775808,"n":NaN,"s":"\u00e9\ud83d"}"#;
    let folder = Folder::new(&[
        ("a.jsonl", line.as_bytes()),
        ("b.csv", b"id,text,q\n007,a,\"x \"\"y\"\"\"\n"),
        ("c.txt", b"one\n"),
    ]);
    let (fields, ledger) = whole(&folder.source("a.jsonl"));
    let again = format!("{{{}}}", fields[0].join(",")).replace("TEXT", "\"text\":\"a\"");
    assert_eq!(again, line);
    assert!(ledger.entries().is_empty(), "{:?}", ledger.entries());
    let (fields, _) = whole(&folder.source("b.csv"));
    assert_eq!(fields, [[r#""id":"007""#, "TEXT", r#""q":"x \"y\"""#]]);
    assert_eq!(whole(&folder.source("c.txt")).0, [["TEXT"]]);
    // An invalid byte in a kept field costs the row.
    let folder = Folder::new(&[
        ("a.csv", b"id,text\n\xff,a\n2,b\n"),
        ("b.jsonl", b"{\"x\": \"\xff\", \"text\": \"a\"}\n"),
    ]);
    let source = Source { on_error: OnError::Skip, ..folder.source("") };
    let (fields, ledger) = whole(&source);
    assert_eq!((fields.len(), ledger.count("read.invalid_utf8")), (1, 2));
}

/// A text that is too long costs only its own record.
#[test]
fn a_long_text_is_left_out() {
    let text = "b".repeat((128 << 20) + 1);
    let bytes = [b"a\n", text.as_bytes(), b"\nc\n"].concat();
    drop(text);
    let counts = [("read.long_text", 1, "a.txt.zst:2")];
    check_skip("a.txt.zst", &zstandard(&bytes), &["1:a", "3:c"], &counts);
}

#[test]
fn blank_lines_may_be_documents() {
    let folder = Folder::new(&[("a.txt", b"one\n\n  \ntwo\n\n")]);
    let source = Source { keep_blank_lines: true, ..folder.source("a.txt") };
    assert_eq!(shown(&read(&source).unwrap()), ["1:one", "2:", "3:  ", "4:two", "5:"]);
}
