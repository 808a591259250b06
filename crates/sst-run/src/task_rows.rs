//! The data of a task as its objective wants it: prepared once, and made rows of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sst_data::records::{Column, RecordPreparation, RecordStore, Records, RecordsError, RowLimits};
use sst_data::rows::{Dataset, DatasetError, GroupRows, SegmentPairRows, Subset, TokenRows};
use sst_data::store::{Preparation, Store};
use sst_data::tokenize::{SpecialTokenTemplate, Tokenizer};
use sst_data::transform::{Context, Transforms};
use sst_data::{Ledger, RowSpec};

use crate::error::{Result, RunError};
use crate::observer::Notice;
use crate::prepared::CheckedRecipe;
use crate::recipe::{Problem, Task};

/// How often a long preparation tells how far it is.
const TELL_EVERY: Duration = Duration::from_secs(3);

/// The prepared data of a task.
#[derive(Debug, Clone)]
pub enum PreparedData {
    /// The tokens of documents.
    Tokens(Arc<Store>),
    /// Records, with labels, numbers or spans beside their texts.
    Records(Arc<RecordStore>),
}

impl PreparedData {
    /// The hash of what it was made from, and the name of its folder in the cache.
    pub fn fingerprint(&self) -> &str {
        match self {
            Self::Tokens(store) => store.fingerprint(),
            Self::Records(store) => store.fingerprint(),
        }
    }

    /// The folder of the cache that it lies in, below its fingerprint's.
    pub fn cache_folder(&self) -> &'static str {
        match self {
            Self::Tokens(_) => "stores",
            Self::Records(_) => "records",
        }
    }

    /// The number of documents or records.
    pub fn num_documents(&self) -> u64 {
        match self {
            Self::Tokens(store) => store.num_documents(),
            Self::Records(store) => store.num_records(),
        }
    }

    /// The number of tokens of all texts, without special tokens.
    pub fn num_tokens(&self) -> u64 {
        match self {
            Self::Tokens(store) => store.num_tokens(),
            Self::Records(store) => (0..store.num_records())
                .map(|number| store.text_lengths(number).iter().sum::<usize>() as u64)
                .sum(),
        }
    }

    /// The labels of the first column that has some, in the order of their numbers; `None` if no column has.
    pub fn labels(&self) -> Option<&[String]> {
        let Self::Records(store) = self else { return None };
        let table = store.columns().iter().find_map(|column| store.labels(&column.name));
        table.map(|table| &table.names[..])
    }

    /// What is told of it and compared when a run is resumed: counts, and the labels.
    pub fn describe(&self) -> Vec<(&'static str, Value)> {
        let mut facts =
            vec![("documents", json!(self.num_documents())), ("tokens", json!(self.num_tokens()))];
        facts.extend(self.labels().map(|labels| ("labels", json!(labels))));
        facts
    }
}

impl CheckedRecipe {
    /// The prepared data of a task: from the cache, or made now.
    pub fn prepare(
        &self,
        task: &Task,
        tokenizer: &Tokenizer,
        ledger: &Ledger,
    ) -> Result<PreparedData> {
        let mut told = Instant::now();
        let mut progress = |documents: u64, tokens: u64| {
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                self.observer.notice(&Notice::Preparing { documents, tokens });
            }
        };
        let (data, rows) = (&task.data, task.rows()?);
        let (source, cache) = (data.source(), self.cache()?);
        if let RowSpec::Records { columns, .. } = &rows {
            let columns = data.columns(columns);
            let preparation = RecordPreparation {
                source: &source,
                columns: &columns,
                labels: &self.labels_by_column(task, &columns)?,
                tokenizer,
                ledger,
                cache: &cache.join("records"),
            };
            let store = preparation.prepare(&mut progress);
            return Ok(PreparedData::Records(
                store.map_err(|error| self.refuse_records(task, error))?,
            ));
        }
        let preparation = Preparation {
            source: &source,
            clean: &data.clean,
            tokenizer,
            sentence_ends: rows.needs_sentence_ends(),
            ledger,
            cache: &cache.join("stores"),
        };
        Ok(PreparedData::Tokens(preparation.prepare(&mut progress)?))
    }

    /// The labels that are given for the first column with labels.
    fn labels_by_column(
        &self,
        task: &Task,
        columns: &[Column],
    ) -> Result<BTreeMap<String, Vec<String>>> {
        let given = self.given_labels(task)?;
        let labelled = columns.iter().find(|column| column.has_labels() && !given.is_empty());
        Ok(labelled.map(|column| (column.name.clone(), given)).into_iter().collect())
    }

    /// The rows of a part of the data of a task. Of its transforms, those that draw at random change training rows alone.
    pub fn rows(
        &self,
        task: &Task,
        data: &PreparedData,
        subset: Subset,
        tokenizer: &Tokenizer,
        ledger: &Ledger,
    ) -> Result<Arc<dyn Dataset>> {
        let length = task.data.max_length;
        let store = match data {
            PreparedData::Tokens(store) => Arc::clone(store),
            PreparedData::Records(store) => {
                let transforms = self.transforms(task, tokenizer, ledger)?;
                let transforms = match subset {
                    Subset::Validation { .. } => transforms.without_random(),
                    Subset::All | Subset::Train { .. } => transforms,
                };
                let window = match task.rows()? {
                    RowSpec::Records { window, .. } => window,
                    _ => None,
                };
                let limits = RowLimits { max_length: length, window, on_error: task.data.on_error };
                let store = Arc::clone(store);
                let rows = Records::new(store, tokenizer, transforms, subset, limits, ledger);
                return Ok(Arc::new(rows.map_err(|error| self.refuse_records(task, error))?));
            }
        };
        let template = self.special_token_template(task, tokenizer)?;
        let rows: Result<Arc<dyn Dataset>, DatasetError> = match task.rows()? {
            RowSpec::Groups { .. } => {
                let size = 1 + task.data.pair_fields.len();
                GroupRows::new(store, size, subset, length, template, ledger)
                    .map(|rows| Arc::new(rows) as _)
            }
            RowSpec::SegmentPairs(kind) => {
                let (template, seed) = (tokenizer.pair_template()?, self.config.run.seed);
                SegmentPairRows::new(store, kind, subset, length, template, seed, ledger)
                    .map(|rows| Arc::new(rows) as _)
            }
            // Records are not kept in a store of tokens.
            RowSpec::Tokens | RowSpec::Records { .. } => {
                TokenRows::new(store, subset, task.data.rows, length, template, ledger)
                    .map(|rows| Arc::new(rows) as _)
            }
        };
        rows.map_err(|error| self.refuse_rows(task, error))
    }

    /// Their number alone, which takes no memory for rows of tokens.
    pub fn count_rows(
        &self,
        task: &Task,
        data: &PreparedData,
        subset: Subset,
        tokenizer: &Tokenizer,
        ledger: &Ledger,
    ) -> Result<u64> {
        let (PreparedData::Tokens(store), RowSpec::Tokens) = (data, task.rows()?) else {
            return Ok(self.rows(task, data, subset, tokenizer, ledger)?.len());
        };
        let template = self.special_token_template(task, tokenizer)?;
        TokenRows::count(store, subset, task.data.rows, task.data.max_length, &template, ledger)
            .map_err(|error| self.refuse_rows(task, error))
    }

    /// The special tokens around and between the documents of a task.
    pub(crate) fn special_token_template(
        &self,
        task: &Task,
        tokenizer: &Tokenizer,
    ) -> Result<SpecialTokenTemplate> {
        sst_objectives::special_token_template(task.objective_name(), tokenizer).map_err(|error| {
            self.refuse(Problem::sentence(&task.key("objective.name"), error.to_string()))
        })
    }

    /// What `[[data.transform]]` does to the records of a task.
    pub(crate) fn transforms(
        &self,
        task: &Task,
        tokenizer: &Tokenizer,
        ledger: &Ledger,
    ) -> Result<Transforms> {
        let special = tokenizer.special().all.iter().filter_map(|id| tokenizer.token(*id));
        let context = Context { special: special.collect(), ledger: ledger.clone() };
        let configs: Vec<Value> = task.data.transform.iter().cloned().map(Value::Object).collect();
        Transforms::from_configs(self.config.run.seed, &configs, &context)
            .map_err(|error| self.refuse_transform(task, &error.to_string()))
    }

    fn refuse_transform(&self, task: &Task, message: &str) -> RunError {
        self.refuse(Problem::new(&task.key("data.transform"), message))
    }

    pub(crate) fn refuse_rows(&self, task: &Task, error: DatasetError) -> RunError {
        match error {
            DatasetError::Store(error) => error.into(),
            error @ DatasetError::NoGroups { .. } => error.into(),
            other => {
                self.refuse(Problem::sentence(&task.key("data.max_length"), other.to_string()))
            }
        }
    }

    fn refuse_records(&self, task: &Task, error: RecordsError) -> RunError {
        match error {
            RecordsError::NoRoom { .. } => {
                self.refuse(Problem::sentence(&task.key("data.max_length"), error.to_string()))
            }
            RecordsError::Transform(error) => self.refuse_transform(task, &error.to_string()),
            RecordsError::TransformInWindow { .. } => {
                self.refuse_transform(task, &error.to_string())
            }
            RecordsError::BadLabels { .. } => {
                self.refuse(Problem::sentence(&task.key("data.labels"), error.to_string()))
            }
            RecordsError::Read(error) => error.into(),
            RecordsError::Store(error) => error.into(),
            RecordsError::Lock(error) => error.into(),
            other => RunError::Records(other),
        }
    }
}
