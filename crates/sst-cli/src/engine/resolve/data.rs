//! `[data]` as run.

use serde::Serialize;
use sst_data::clean::CleanConfig;
use sst_data::read::{Format, OnError, Source};
use sst_data::rows::RowMode;

/// `[data]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Data {
    pub(crate) paths: Vec<String>,
    /// `None`: each file's by its extension.
    pub(crate) format: Option<Format>,
    pub(crate) text_field: String,
    /// A number of each document that curricula can rank by.
    pub(crate) score_field: Option<String>,
    /// Fields of the texts that belong to the one in `text_field`.
    pub(crate) pair_fields: Vec<String>,
    pub(crate) on_error: OnError,
    pub(crate) validation: f64,
    pub(crate) rows: RowMode,
    pub(crate) max_length: usize,
    /// Empty for the user's.
    pub(crate) cache: String,
    pub(crate) workers: usize,
    pub(crate) clean: CleanConfig,
}

impl Data {
    /// The sources.
    pub(crate) fn source(&self) -> Source {
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
}
