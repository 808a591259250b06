//! Files, folders and globs.

use std::path::PathBuf;

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
            "README.md: the extension does not tell the format: set it to one of text, paragraphs, \
             jsonl, csv, tsv or parquet",
        ),
    );
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
        Err(
            "sub holds no file of a known format (it holds .csv, .jsonl): set the format and name \
             the files with a glob such as sub/*",
        ),
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
    let folder = Folder::new(&[
        ("train-00000-of-00001.jsonl", b"{\"text\": \"x\"}"),
        ("test-00000-of-00001.jsonl", b"{\"text\": \"y\"}"),
        ("notes.md", b"z"),
    ]);
    let ledger = Ledger::new();
    assert_eq!(folder.source("").read(&ledger).unwrap().count(), 1);
    assert_eq!((ledger.count("read.other_splits"), ledger.count("read.other_files")), (1, 1));
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
