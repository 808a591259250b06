//! `[data]`: which files are read, how the texts are cleaned, and how documents are split into rows.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sst_data::RowSpec;
use sst_data::clean::CleanConfig;
use sst_data::curriculum::Difficulty;
use sst_data::read::{Format, OnError, Source, TagScheme};
use sst_data::records::Column;
use sst_data::rows::RowMode;
use sst_data::setting;
use sst_objectives::Entry;

use super::error::{Problem, require, require_folder};
use super::limits::{MOST_COUNT, MOST_LENGTH};
use super::of_model::OfModel;
use super::section;
use super::transform;
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
    label_field: Option<String>,
    labels: Vec<String>,
    fields: BTreeMap<String, String>,
    image_field: Option<String>,
    caption_fields: Option<Vec<String>>,
    tag_field: Option<TagField>,
    tag_scheme: Option<TagScheme>,
    on_error: Option<OnError>,
    validation: Option<f64>,
    rows: Option<RowMode>,
    max_length: Option<usize>,
    cache: Option<String>,
    workers: Option<usize>,
    clean: CleanConfig,
    transform: Option<Vec<Map<String, Value>>>,
    caption_transform: Option<Vec<Map<String, Value>>>,
}

/// The number of a column, or the name of a field.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected the number of a column, or a name in quotes")]
enum TagField {
    Number(u32),
    Name(String),
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
    /// The fields with the partner and the hard negatives of the text in `text_field`, for objectives on pairs. Default:
    /// none.
    pub pair_fields: Vec<String>,
    /// The field of the label, for objectives on labelled records. Default: `label`.
    pub label_field: Option<String>,
    /// The labels in the order of the outputs of the model. Default: the labels of the model at `model.path`, if it has
    /// the head that is trained; otherwise the labels of the data, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The fields of the other columns of records, by the name of the column, such as `{ text_pair = "hypothesis" }`.
    /// Default: the field has the name of the column.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, String>,
    /// The field of the picture in JSON, CSV and Parquet files and in tar files. Default: `image`, or the one that the format
    /// suggests.
    pub image_field: Option<String>,
    /// The fields of captions, for objectives on pictures with captions. Of several, one is drawn each time that a picture is
    /// read. Default: `text`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caption_fields: Vec<String>,
    /// The tags of words in CoNLL files: the number of their column, from 1 for the word. In CoNLL-U: `UPOS`, `XPOS` or
    /// the name of a key in MISC. Default: the last column, and UPOS.
    pub tag_field: Option<String>,
    /// The scheme of the tags in CoNLL files, such as `IOB2`. Default: found from the first sentences of each file.
    pub tag_scheme: Option<TagScheme>,
    /// What to do if a document cannot be read. Default: the run fails.
    pub on_error: OnError,
    /// The fraction of documents that is held out for evaluation. Default: 0.02.
    pub validation: f64,
    /// How documents are split into rows. Default: `chunk`, and `document` for pairs and records.
    pub rows: RowMode,
    /// The largest number of tokens of a row, special tokens included. Default: the context length of the model.
    pub max_length: usize,
    /// The folder for prepared data. Default: the empty string, which stands for the caller's cache folder.
    pub cache: String,
    /// The number of threads that build batches. Default: 2.
    pub workers: usize,
    /// How documents are cleaned before they are tokenized. Records are cleaned by a transform instead.
    pub clean: CleanConfig,
    /// `[[data.transform]]`: the transforms that are applied to a record or a picture each time that it is read, in this
    /// order. Each has all of its keys, `name` first. Random transforms are applied to training rows only. Default: none, and
    /// for pictures those of the objective.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transform: Option<Vec<Map<String, Value>>>,
    /// `[[data.caption_transform]]`: the transforms that are applied to a caption each time that a picture is read, in this
    /// order; those that records have. Random ones are applied to training rows only. Default: none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caption_transform: Vec<Map<String, Value>>,
}

pub(super) const KEYS: Keys = Keys {
    limits: &[
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
    settings: &[
        (setting::PATHS, "data.paths"),
        (setting::PICTURE_PATHS, "data.paths"),
        (setting::PICTURE_FIELD, "data.image_field"),
        (setting::FORMAT, "data.format"),
        (setting::TEXT_FIELD, "data.text_field"),
        (setting::LABEL_FIELD, "data.label_field"),
        (setting::LABELS, "data.labels"),
        (setting::SCORE_FIELD, "data.score_field"),
        (setting::PAIR_FIELDS, "data.pair_fields"),
        (setting::FRACTION, "data.validation"),
        (setting::MAX_LENGTH, "data.max_length"),
        (setting::WORKERS, "data.workers"),
        (setting::CLEAN, "data.clean"),
        (setting::MIN_LENGTH, "data.clean.min_length"),
    ],
    ..Keys::NONE
};

impl DataFile {
    /// Reads `[data]`, or `[tasks.NAME.data]`.
    pub(super) fn read(section: &str, value: Value) -> Result<Self, Problem> {
        section::parse(section, &value)
    }

    /// Fills in the defaults for an objective with the entry `objective`, which learns from `rows`.
    pub(super) fn fill(
        self,
        section: &str,
        of_model: &OfModel,
        rows: &RowSpec,
        objective: Option<&Entry>,
    ) -> Result<Data, Problem> {
        // Rows without tokens have no length.
        let positions = if rows.have_tokens() { of_model.positions } else { Some(1) };
        let Some(max_length) = self.max_length.or(positions) else {
            let key = format!("{section}.max_length");
            return Err(Problem::new(&key, "is missing, and the model has no limit"));
        };
        let is_cut = *rows == RowSpec::Tokens && self.pair_fields.is_empty();
        let key = format!("{section}.transform");
        let transform = transform::fill(&key, self.transform, of_model, rows, objective)?;
        let key = format!("{section}.caption_transform");
        let caption_transform = transform::fill_for_texts(&key, self.caption_transform)?;
        let captions = || vec!["text".to_owned()];
        let caption_fields = match rows {
            RowSpec::Pictures { captions: true, .. } => {
                self.caption_fields.unwrap_or_else(captions)
            }
            _ => self.caption_fields.unwrap_or_default(),
        };
        Ok(Data {
            paths: self.paths,
            format: self.format,
            text_field: self.text_field.unwrap_or_else(|| "text".to_owned()),
            score_field: self.score_field,
            pair_fields: self.pair_fields,
            label_field: self.label_field,
            labels: self.labels,
            fields: self.fields,
            image_field: self.image_field,
            caption_fields,
            tag_field: self.tag_field.map(|field| match field {
                TagField::Number(number) => number.to_string(),
                TagField::Name(name) => name,
            }),
            tag_scheme: self.tag_scheme,
            on_error: self.on_error.unwrap_or(OnError::Fail),
            validation: self.validation.unwrap_or(0.02),
            rows: self.rows.unwrap_or(match is_cut {
                true => RowMode::Chunk,
                false => RowMode::Document,
            }),
            max_length,
            cache: self.cache.unwrap_or_default(),
            workers: self.workers.unwrap_or(2),
            clean: self.clean,
            transform,
            caption_transform,
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
            tag_field: self.tag_field.clone(),
            tag_scheme: self.tag_scheme,
            on_error: self.on_error,
            ..Source::default()
        }
    }

    /// The transforms of `[[data.transform]]`.
    pub(crate) fn transforms(&self) -> &[Map<String, Value>] {
        self.transform.as_deref().unwrap_or_default()
    }

    /// The columns of records with the fields that this section names. A column that no key is for has the name of its
    /// field.
    pub(crate) fn columns(&self, columns: &[Column]) -> Vec<Column> {
        let field = |column: &Column| match (&*column.name, &self.label_field) {
            ("text", _) => self.text_field.clone(),
            ("label" | "labels", Some(field)) => field.clone(),
            (name, _) => self.fields.get(name).unwrap_or(&column.field).clone(),
        };
        columns.iter().map(|column| column.clone().from_field(field(column))).collect()
    }

    /// Refuses keys that are for other rows than those that the objective `name` learns from.
    fn check_rows(
        &self,
        key: &dyn Fn(&str) -> String,
        name: &str,
        rows: &RowSpec,
    ) -> Result<(), Problem> {
        let of_pictures = "applies only to objectives on pictures";
        require(self.image_field.is_none(), &key("data.image_field"), of_pictures)?;
        let message = "applies only to objectives on pictures with captions";
        require(self.caption_fields.is_empty(), &key("data.caption_fields"), message)?;
        require(self.caption_transform.is_empty(), &key("data.caption_transform"), message)?;
        let (is_grouped, pairs) = (!self.pair_fields.is_empty(), key("data.pair_fields"));
        let wants_groups = matches!(rows, RowSpec::Groups { .. });
        let message =
            format!("is missing: `{name}` learns from pairs, and this names their other texts");
        require(is_grouped || !wants_groups, &pairs, message)?;
        let message =
            format!("applies only to objectives on pairs, but `{name}` takes single texts");
        require(wants_groups || !is_grouped, &pairs, message)?;
        let fits = *rows == RowSpec::Tokens || self.rows == RowMode::Document;
        let what = if wants_groups { "pairs" } else { "records" };
        let message = format!("must be \"document\" for {what}, or be omitted");
        require(fits, &key("data.rows"), message)?;
        let RowSpec::Records { columns, .. } = rows else {
            let message =
                |what| format!("applies only to objectives on records, but `{name}` {what}");
            let unlabelled = || message("learns from texts without labels");
            require(self.label_field.is_none(), &key("data.label_field"), unlabelled())?;
            require(self.labels.is_empty(), &key("data.labels"), unlabelled())?;
            require(self.fields.is_empty(), &key("data.fields"), unlabelled())?;
            let message = message("reads prepared tokens: clean its texts with data.clean");
            return require(self.transforms().is_empty(), &key("data.transform"), message);
        };
        let message = "has no place among records, which no curriculum ranks by a field";
        require(self.score_field.is_none(), &key("data.score_field"), message)?;
        let message = "applies only to documents; records are cleaned by [[data.transform]] with name = \"clean\"";
        require(self.clean == CleanConfig::default(), &key("data.clean"), message)?;
        let has = |name: &str| columns.iter().any(|column| column.name == name);
        let message = format!("applies only to a text, but `{name}` has no column of this name");
        require(has("text") || self.text_field == "text", &key("data.text_field"), message)?;
        for column in self.fields.keys() {
            let of_key = match column.as_str() {
                "text" => Some("data.text_field"),
                "label" | "labels" => Some("data.label_field"),
                _ => None,
            };
            let message = match of_key {
                Some(of_key) => format!("has a key of its own: {of_key}"),
                None => {
                    let known = columns.iter().map(|column| &*column.name).collect::<Vec<_>>();
                    format!("is no column of `{name}`, which has {}", known.join(", "))
                }
            };
            let is_known = has(column) && of_key.is_none();
            require(is_known, &key(&format!("data.fields.{column}")), message)?;
        }
        let are_labelled = columns.iter().any(Column::has_labels);
        let message = format!("applies only to objectives on labels, but `{name}` has none here");
        require(are_labelled || self.labels.is_empty(), &key("data.labels"), message)?;
        let has_label = has("label") || has("labels");
        let message = format!("applies only to objectives on labels, but `{name}` has none");
        require(has_label || self.label_field.is_none(), &key("data.label_field"), message)
    }

    /// Checks the keys that the task has under `key`, for the objective `name`, which learns from `rows`.
    pub(super) fn check(
        &self,
        key: &dyn Fn(&str) -> String,
        name: &str,
        rows: &RowSpec,
    ) -> Result<(), Problem> {
        match rows {
            RowSpec::Pictures { captions, .. } => self.check_pictures(key, name, *captions)?,
            _ => self.check_rows(key, name, rows)?,
        }
        let paths = key("data.paths");
        require(!self.paths.is_empty(), &paths, "is empty: name a file, a folder or a glob")?;
        for path in &self.paths {
            // Only pictures have brace ranges; the reader expands them and finds out whether the files exist.
            let pattern =
                path.contains(['*', '?', '[']) || rows.have_pictures() && path.contains('{');
            let message =
                format!("{path} does not exist (paths are relative to the current folder)");
            require(pattern || Path::new(path).exists(), &paths, message)?;
        }
        require_folder(&key("data.cache"), &self.cache)?;
        let fraction = self.validation;
        let message = format!("is {fraction} and must be at least 0 and below 1");
        require((0.0..1.0).contains(&fraction), &key("data.validation"), message)?;
        let clean = self.clean.check();
        clean.map_err(|error| Problem::new(&key("data.clean"), error.to_string()))
    }
}
