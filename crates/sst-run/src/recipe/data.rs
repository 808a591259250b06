//! `[data]`: which files are read, how the texts are cleaned, and how documents are split into rows.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sst_data::clean::CleanConfig;
use sst_data::curriculum::Difficulty;
use sst_data::read::{Format, OnError, Source};
use sst_data::rows::RowMode;

use super::error::{Problem, require};
use super::limits::{MOST_COUNT, MOST_LENGTH};
use super::section;
use super::{Effect, Keys};

/// The largest number of threads that build batches.
const MOST_WORKERS: f64 = 256.0;

/// `[data]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DataFile {
    paths: Vec<String>,
    format: Option<Format>,
    text_field: Option<String>,
    score_field: Option<String>,
    pair_fields: Vec<String>,
    on_error: Option<OnError>,
    validation: Option<f64>,
    rows: Option<RowMode>,
    max_length: Option<usize>,
    cache: Option<String>,
    workers: Option<usize>,
    clean: CleanConfig,
}

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Data {
    /// Files, folders and globs, relative to the working directory.
    pub paths: Vec<String>,
    /// The format of the files. Default: from the extension of each file.
    pub format: Option<Format>,
    /// The field that holds the text in JSON, CSV and Parquet files. Default: `text`.
    pub text_field: String,
    /// The field that holds a number by which curricula rank documents. Default: none.
    pub score_field: Option<String>,
    /// The fields that hold the texts which match the one in `text_field`, for objectives on pairs. Default: none.
    pub pair_fields: Vec<String>,
    /// What to do if a document cannot be read. Default: the run fails.
    pub on_error: OnError,
    /// The fraction of documents that is held out for evaluation. Default: 0.02.
    pub validation: f64,
    /// How documents are split into rows. Default: `chunk`, and `document` for pairs.
    pub rows: RowMode,
    /// The largest number of tokens of a row, special tokens included. Default: the context length of the model.
    pub max_length: usize,
    /// The folder for prepared data. Default: the empty string, which stands for the caller's cache folder.
    pub cache: String,
    /// The number of threads that build batches. Default: 2.
    pub workers: usize,
    /// How texts are cleaned before they are tokenized.
    pub clean: CleanConfig,
}

pub(super) const KEYS: Keys = Keys {
    limits: &[
        ("data.validation", 0.0, 1.0),
        ("data.max_length", 1.0, MOST_LENGTH),
        ("data.workers", 0.0, MOST_WORKERS),
        ("data.clean.min_length", 0.0, MOST_COUNT),
        ("data.clean.max_length", 0.0, MOST_COUNT),
    ],
    may_differ: &[("data.cache", Effect::None), ("data.workers", Effect::None)],
    idle_in_task: |task| match &task.curriculum {
        Some(curriculum) if curriculum.difficulty == Difficulty::Score => Vec::new(),
        _ => {
            let why = "applies only to curriculum.difficulty = \"score\"";
            vec![("data.score_field".to_owned(), Value::Null, why)]
        }
    },
    ..Keys::NONE
};

impl DataFile {
    /// Reads `[data]`, or `[tasks.NAME.data]`.
    pub(super) fn read(section: &str, value: Value) -> Result<Self, Problem> {
        section::parse(section, &value)
    }

    /// Fills in the defaults. `positions` is the context length of the model, if it has a limit.
    pub(super) fn fill(self, section: &str, positions: Option<usize>) -> Result<Data, Problem> {
        let Some(max_length) = self.max_length.or(positions) else {
            let key = format!("{section}.max_length");
            return Err(Problem::new(&key, "is missing, and the model has no limit"));
        };
        let is_grouped = !self.pair_fields.is_empty();
        Ok(Data {
            paths: self.paths,
            format: self.format,
            text_field: self.text_field.unwrap_or_else(|| "text".to_owned()),
            score_field: self.score_field,
            pair_fields: self.pair_fields,
            on_error: self.on_error.unwrap_or(OnError::Fail),
            validation: self.validation.unwrap_or(0.02),
            rows: self.rows.unwrap_or(match is_grouped {
                true => RowMode::Document,
                false => RowMode::Chunk,
            }),
            max_length,
            cache: self.cache.unwrap_or_default(),
            workers: self.workers.unwrap_or(2),
            clean: self.clean,
        })
    }
}

impl Data {
    /// The source of documents that the section describes.
    pub fn source(&self) -> Source {
        Source {
            paths: self.paths.clone(),
            format: self.format,
            text_field: self.text_field.clone(),
            score_field: self.score_field.clone(),
            pair_fields: self.pair_fields.clone(),
            on_error: self.on_error,
            ..Source::default()
        }
    }

    /// Checks the values. `key` gives the full name of a key for messages.
    pub(super) fn check(&self, key: &dyn Fn(&str) -> String) -> Result<(), Problem> {
        let paths = key("data.paths");
        require(!self.paths.is_empty(), &paths, "is empty: name a file, a folder or a glob")?;
        for path in &self.paths {
            let pattern = path.contains(['*', '?', '[']);
            let message =
                format!("{path} does not exist (paths are relative to the current folder)");
            require(pattern || Path::new(path).exists(), &paths, message)?;
        }
        let fraction = self.validation;
        let message = format!("is {fraction} and must be at least 0 and below 1");
        require((0.0..1.0).contains(&fraction), &key("data.validation"), message)?;
        let fits = self.pair_fields.is_empty() || self.rows == RowMode::Document;
        require(fits, &key("data.rows"), "must be \"document\" for pairs, or be omitted")?;
        let clean = self.clean.check();
        clean.map_err(|error| Problem::new(&key("data.clean"), error.to_string()))
    }
}
