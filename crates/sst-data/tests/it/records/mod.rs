//! Records with labels, numbers and spans: read, checked, stored, and loaded like any other rows.

#![allow(clippy::disallowed_methods)] // Tests write their inputs in place.

mod columns;
mod entities;
mod errors;
mod loading;
mod spans;
mod store;
mod window_properties;
mod windows;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use sst_data::Ledger;
use sst_data::read::{OnError, Source};
use sst_data::records::{
    Column, ColumnKind, RecordPreparation, RecordStore, Records, RecordsError,
};
use sst_data::rows::Subset;
use sst_data::tokenize::Tokenizer;
use sst_data::transform::Transforms;

/// The vocabulary: a letter is a token, and what follows it within a word begins with `##`.
const VOCAB: &str =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\n##a\n##b\n##c\n刘\n备\n关\n羽\n.\n";

/// A file of records, a tokenizer and a cache in one folder.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) source: Source,
    pub(crate) columns: Vec<Column>,
    pub(crate) labels: BTreeMap<String, Vec<String>>,
}

impl Place {
    /// `content` in a file called `name`.
    pub(crate) fn new(name: &str, content: &str, columns: Vec<Column>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(name);
        fs::write(&file, content).unwrap();
        let vocab = folder.path().join("vocab.txt");
        fs::write(&vocab, VOCAB).unwrap();
        let tokenizer = Tokenizer::load(&vocab).unwrap();
        let source = Source::new([file.display().to_string()]);
        Self { folder, tokenizer, source, columns, labels: BTreeMap::new() }
    }

    pub(crate) fn skipping(mut self) -> Self {
        self.source.on_error = OnError::Skip;
        self
    }

    pub(crate) fn given(mut self, column: &str, labels: &[&str]) -> Self {
        self.labels
            .insert(column.to_owned(), labels.iter().map(|label| (*label).to_owned()).collect());
        self
    }

    pub(crate) fn file(&self) -> PathBuf {
        PathBuf::from(&self.source.paths[0])
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    pub(crate) fn prepare(&self, ledger: &Ledger) -> Result<Arc<RecordStore>, RecordsError> {
        let preparation = RecordPreparation {
            source: &self.source,
            columns: &self.columns,
            labels: &self.labels,
            tokenizer: &self.tokenizer,
            ledger,
            cache: &self.cache(),
        };
        preparation.prepare(&mut |_, _| ())
    }

    pub(crate) fn store(&self) -> Arc<RecordStore> {
        self.prepare(&Ledger::new()).unwrap()
    }

    pub(crate) fn rows(&self, max_length: usize) -> Records {
        self.rows_with(Transforms::none(), max_length, &Ledger::new()).unwrap()
    }

    pub(crate) fn rows_with(
        &self,
        transforms: Transforms,
        max_length: usize,
        ledger: &Ledger,
    ) -> Result<Records, RecordsError> {
        let all = Subset::All;
        Records::new(self.store(), &self.tokenizer, transforms, all, max_length, ledger)
    }
}

/// A text and a label.
pub(crate) fn classified() -> Vec<Column> {
    vec![text("text"), Column::new("label", ColumnKind::Label)]
}

pub(crate) fn text(name: &str) -> Column {
    Column::new(name, ColumnKind::Text)
}
