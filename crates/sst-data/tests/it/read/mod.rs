//! Readers: the documents of files, and the errors of broken ones.

mod compress;
mod conll;
mod conllu;
mod discover;
mod errors;
mod fields;
mod formats;
mod mutate;
#[cfg(feature = "parquet")]
mod parquet;
mod round_trip;
mod score;
mod squad;

use std::fs::File;
use std::io::Write;

use sst_data::read::{Format, OnError, ReadError, Source};
use sst_data::{Example, Ledger};

/// A temporary folder of files.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new(files: &[(&str, &[u8])]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, bytes) in files {
            folder.add(name, bytes);
        }
        folder
    }

    fn add(&self, name: &str, bytes: &[u8]) {
        let path = self.0.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        File::create(path).unwrap().write_all(bytes).unwrap();
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn source(&self, name: &str) -> Source {
        Source::new([self.path(name)])
    }

    /// A message without the folder's own path.
    fn strip(&self, message: &str) -> String {
        message.replace(&self.path(""), "")
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstandard(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn read(source: &Source) -> Result<Vec<Example>, ReadError> {
    source.read(&Ledger::new())?.collect()
}

/// `line:text` of each document.
fn shown(examples: &[Example]) -> Vec<String> {
    examples.iter().map(|e| format!("{}:{}", e.key.record, e.text("text").unwrap())).collect()
}

fn check(name: &str, bytes: &[u8], expected: &[&str]) {
    check_as(None, name, bytes, expected);
}

fn check_as(format: Option<Format>, name: &str, bytes: &[u8], expected: &[&str]) {
    let folder = Folder::new(&[(name, bytes)]);
    let examples = read(&Source { format, ..folder.source(name) }).unwrap();
    assert_eq!(shown(&examples), expected, "{name}");
}

fn check_error(name: &str, bytes: &[u8], expected: &str) {
    let folder = Folder::new(&[(name, bytes)]);
    let error = read(&folder.source(name)).unwrap_err();
    assert_eq!(folder.strip(&error.to_string()), expected);
}

/// Checks the documents that remain when errors are skipped, and the ledger.
fn check_skip(name: &str, bytes: &[u8], expected: &[&str], ledger: &[(&str, u64, &str)]) {
    check_skip_as(None, name, bytes, expected, ledger);
}

fn check_skip_as(
    format: Option<Format>,
    name: &str,
    bytes: &[u8],
    expected: &[&str],
    counts: &[(&str, u64, &str)],
) {
    let folder = Folder::new(&[(name, bytes)]);
    let ledger = Ledger::new();
    let source = Source { on_error: OnError::Skip, format, ..folder.source(name) };
    let examples: Vec<Example> = source.read(&ledger).unwrap().map(Result::unwrap).collect();
    assert_eq!(shown(&examples), expected, "{name}");
    let counted: Vec<_> = ledger.entries().into_iter().collect();
    let counted: Vec<(String, u64, String)> = counted
        .into_iter()
        .map(|(name, entry)| (name, entry.count, folder.strip(&entry.first.unwrap_or_default())))
        .collect();
    let counts: Vec<_> =
        counts.iter().map(|(n, c, f)| (n.to_string(), *c, f.to_string())).collect();
    assert_eq!(counted, counts);
}

fn check_error_kind(name: &str, bytes: &[u8], expected: impl Fn(&ReadError) -> bool) {
    let folder = Folder::new(&[(name, bytes)]);
    let error = read(&folder.source(name)).unwrap_err();
    assert!(expected(&error), "{error}");
}
