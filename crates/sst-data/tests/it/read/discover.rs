//! Files, folders and globs.

use std::path::PathBuf;

use sst_data::{NamesSettings, setting};

use super::*;

#[test]
fn the_index_counts_over_all_files() {
    let folder = Folder::new(&[
        ("b.txt", b"2\n3\n"),
        ("a.txt", b"0\n1\n"),
        ("c/d.jsonl", b"{\"text\":\"4\"}"),
    ]);
    let examples = read(&folder.source("")).unwrap();
    for (index, example) in examples.iter().enumerate() {
        assert_eq!(
            (example.index, example.text("text")),
            (index as u64, Some(&*index.to_string()))
        );
    }
    assert_eq!(examples.len(), 5);
    assert_eq!(examples[3].key.to_string(), format!("{}:2", folder.path("b.txt")));
}

fn check_files(
    files: &[&str],
    path: &str,
    format: Option<Format>,
    expected: Result<&[&str], &str>,
) {
    let folder =
        Folder::new(&files.iter().map(|name| (*name, b"x".as_slice())).collect::<Vec<_>>());
    let found = Source { format, ..folder.source(path) }.files();
    let found: Result<Vec<String>, String> = match found {
        Ok(files) => {
            Ok(files.iter().map(|f: &PathBuf| folder.strip(f.to_str().unwrap())).collect())
        }
        Err(error) => Err(folder.strip(&error.to_string())),
    };
    let expected = expected
        .map(|names| names.iter().map(|n| n.to_string()).collect::<Vec<_>>())
        .map_err(str::to_owned);
    assert_eq!(found, expected);
}

#[test]
fn folders_and_globs_are_sorted_and_filtered() {
    let files = ["b.txt", "a.txt.gz", "README.md", ".hidden.txt", "sub/c.jsonl.zst", "sub/d.csv"];
    check_files(&files, "", None, Ok(&["a.txt.gz", "b.txt", "sub/c.jsonl.zst", "sub/d.csv"]));
    check_files(&files, "", Some(Format::Paragraphs), Ok(&["a.txt.gz", "b.txt"]));
    check_files(&files, "*", None, Ok(&["a.txt.gz", "b.txt", "sub/c.jsonl.zst", "sub/d.csv"]));
    check_files(&files, "*.txt*", None, Ok(&["a.txt.gz", "b.txt"]));
    check_files(&files, "**/*.csv", None, Ok(&["sub/d.csv"]));
    check_files(&files, "*.md", Some(Format::Text), Ok(&["README.md"]));
    check_files(&files, "README.md", Some(Format::Text), Ok(&["README.md"]));
    check_files(&["odd[1].txt", "odd1.txt"], "odd[1].txt", None, Ok(&["odd[1].txt"]));
    check_files(
        &files,
        "README.md",
        None,
        Err(
            "README.md: the extension does not name the format: set `format` to text, paragraphs, \
             jsonl, csv, tsv, parquet, conll, conllu or squad",
        ),
    );
    check_files(
        &files,
        "sub/d.csv",
        Some(Format::Jsonl),
        Err(
            "sub/d.csv: the format is set to jsonl, but the extension says csv: set `format` to csv, \
             leave it out, or rename the file",
        ),
    );
    check_files(&files, "sub/d.csv", Some(Format::Tsv), Ok(&["sub/d.csv"]));
    check_files(&files, "b.txt", Some(Format::Jsonl), Ok(&["b.txt"]));
    check_files(
        &files,
        "*.json",
        None,
        Err("the pattern *.json matches no file: check it against the folder's contents"),
    );
    check_files(
        &files,
        "gone.txt",
        None,
        Err("gone.txt does not exist: check the path (it is relative to the working directory)"),
    );
    check_files(
        &files,
        "sub",
        Some(Format::Parquet),
        Err("sub holds no file of a known format (it holds .csv, .jsonl): set `format` and name \
             the files with a glob such as sub/*"),
    );
    assert!(matches!(Source::default().files(), Err(ReadError::NoPaths)));
    check_files(
        &files,
        "a**b*",
        None,
        Err(
            "a**b* is not a valid pattern (recursive wildcards must form a single path component): \
             write [[] for a literal bracket",
        ),
    );
}

#[test]
fn of_hugging_face_shards_only_train_is_taken() {
    let shards = [
        "README.md",
        "data/test-00000-of-00001.parquet",
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
    ];
    check_files(&shards, "", None, Ok(&shards[2..]));
    check_files(&shards, "data/*", None, Ok(&shards[2..]));
    check_files(&shards, "data/test-*", None, Ok(&shards[1..2]));
    let plain = ["test.jsonl", "train.jsonl", "validation.jsonl"];
    for path in ["", "*.jsonl", "t*", "*"] {
        check_files(&plain, path, None, Ok(&plain[1..2]));
        check_files(&plain, path, Some(Format::Jsonl), Ok(&plain[1..2]));
    }
    check_files(&plain, "test.jsonl", None, Ok(&plain[..1]));
    check_files(&plain, "[tv]est.jsonl", None, Ok(&plain[..1]));
    let error = "*[tn].jsonl holds data of the splits validation and test and none to train on: name the files \
                 that are meant, such as test.jsonl";
    check_files(&["test.jsonl", "validation.jsonl"], "*[tn].jsonl", None, Err(error));
    // The folder that the user names does not decide the split, but the folders below it do.
    let folders = ["my-test/test/a.jsonl", "my-test/train/a.jsonl"];
    check_files(&folders, "my-test", None, Ok(&folders[1..]));
    check_files(&folders, "my-test/*", None, Ok(&folders[1..]));
    check_files(&folders, "my-test/test", None, Ok(&folders[..1]));
    let folder = Folder::new(&[
        ("train-00000-of-00001.jsonl", b"{\"text\": \"x\"}"),
        ("test-00000-of-00001.jsonl", b"{\"text\": \"y\"}"),
        ("notes.md", b"z"),
    ]);
    let ledger = Ledger::new();
    assert_eq!(folder.source("").read(&ledger).unwrap().count(), 1);
    assert_eq!((ledger.count("read.other_splits"), ledger.count("read.other_files")), (1, 1));
    let folder = Folder::new(&[("held-out.txt", b"x"), ("more.txt", b"y"), ("train.txt", b"z")]);
    let ledger = Ledger::new();
    assert_eq!(folder.source("").read(&ledger).unwrap().count(), 2);
    let entries = ledger.entries();
    let told = |name: &str| {
        let first = entries[name].first.as_deref().unwrap();
        (entries[name].count, folder.strip(first))
    };
    assert_eq!(told("read.other_splits"), (1, "held-out.txt:1".to_owned()));
    assert_eq!(told("read.unnamed_splits"), (1, "more.txt:1".to_owned()));
}

#[test]
fn fields_of_a_format_without_fields_are_refused() {
    let folder = Folder::new(&[("a.txt", b"one\n")]);
    let source = folder.source("a.txt");
    for (setting, source) in [
        ("`text_field` is `body`", Source { text_field: "body".into(), ..source.clone() }),
        ("`score_field` is `body`", Source { score_field: Some("body".into()), ..source.clone() }),
        ("`pair_fields` is `body`", Source { pair_fields: vec!["body".into()], ..source.clone() }),
    ] {
        for (format, name) in [(None, "text"), (Some(Format::Paragraphs), "paragraphs")] {
            let error = read(&Source { format, ..source.clone() }).unwrap_err();
            let expected =
                format!("a.txt: {setting}, but a {name} file has no fields: leave the setting out");
            assert_eq!(folder.strip(&error.to_string()), expected);
        }
    }
    let taken = Source { text_field: "body".into(), pair_fields: vec!["text".into()], ..source };
    assert!(matches!(read(&taken), Err(ReadError::TextTaken { .. })));
}

#[test]
fn extensions_that_are_not_read_are_explained() {
    for (name, command) in [
        ("a.txt.bz2", "`bunzip2`"),
        ("a.jsonl.xz", "`unxz`"),
        ("a.zip", "`unzip`"),
        ("a.tar.gz", "`tar -xf`"),
        ("a.json", "`jq -c '.[]' FILE > FILE.jsonl`"),
        ("a.json.gz", "set `format` to jsonl"),
        ("a.arrow", "`to_parquet`"),
    ] {
        let folder = Folder::new(&[(name, b"x")]);
        let error = folder.source(name).files().unwrap_err();
        assert!(error.to_string().contains(command), "{error}");
        let is_about_format = name.contains(".json") && !name.contains(".jsonl");
        assert_eq!(error.settings() == [setting::FORMAT], is_about_format, "{error}");
    }
}

#[test]
fn pipes_and_devices_are_refused_without_waiting() {
    let folder = Folder::new(&[]);
    let pipe = folder.path("a.jsonl");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let what = "a pipe, not a file: write the data to a file and name that";
    for path in ["a.jsonl", ""] {
        let error = read(&folder.source(path)).unwrap_err();
        assert_eq!(folder.strip(&error.to_string()), format!("a.jsonl is {what}"));
    }
    let source = Source { format: Some(Format::Text), ..Source::new(["/dev/zero"]) };
    let error = read(&source).unwrap_err().to_string();
    assert!(error.starts_with("/dev/zero is a device, not a file"), "{error}");
}

#[test]
fn formats_have_their_recipe_names() {
    let source: Source =
        serde_json::from_str(r#"{"paths": ["x"], "format": "paragraphs", "on_error": "skip"}"#)
            .unwrap();
    assert_eq!(source.format, Some(Format::Paragraphs));
    assert_eq!((source.on_error, source.text_field.as_str()), (OnError::Skip, "text"));
    assert!(serde_json::from_str::<Source>(r#"{"path": ["x"]}"#).is_err());
}
