//! Prepares the data of a task as its objective needs it, and makes rows of it.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sst_data::pictures::PictureStore;
use sst_data::records::{
    Column, ColumnError, RecordPreparation, RecordStore, Records, RecordsError, RowLimits,
};
use sst_data::rows::{Dataset, DatasetError, GroupRows, SegmentPairRows, Subset, TokenRows};
use sst_data::setting::MAX_LENGTH;
use sst_data::store::{Preparation, Store};
use sst_data::tokenize::{SpecialTokenTemplate, Tokenizer};
use sst_data::transform::{Context, Transforms};
use sst_data::{Ledger, NamesSettings, Processor, RowSpec};

use crate::error::{Result, RunError};
use crate::observer::Notice;
use crate::prepared::CheckedRecipe;
use crate::recipe::{POSITIONS, Problem, Task};

/// The hash of the contents in environment.json. Counts come before it, because they say more about a change.
pub(crate) const CONTENTS: &str = "contents";

/// How often the progress of a long preparation is reported.
pub(crate) const REPORT_EVERY: Duration = Duration::from_secs(3);

/// The prepared data of a task.
#[derive(Debug, Clone)]
pub enum PreparedData {
    /// The tokens of documents.
    Tokens(Arc<Store>),
    /// Records: texts with labels, numbers or spans.
    Records(Arc<RecordStore>),
    /// Pictures, with captions where the objective reads them.
    Pictures(Arc<PictureStore>),
}

impl PreparedData {
    /// The hash of everything that the prepared data depends on. It is also the name of its folder in the cache.
    pub fn fingerprint(&self) -> &str {
        match self {
            Self::Tokens(store) => store.fingerprint(),
            Self::Records(store) => store.fingerprint(),
            Self::Pictures(store) => store.fingerprint(),
        }
    }

    /// The folder of the cache that holds prepared data of this kind, in a subfolder named by the fingerprint.
    pub fn cache_folder(&self) -> &'static str {
        match self {
            Self::Tokens(_) => "stores",
            Self::Records(_) => "records",
            Self::Pictures(_) => "pictures",
        }
    }

    /// The number of documents, records or pictures.
    pub fn num_documents(&self) -> u64 {
        match self {
            Self::Tokens(store) => store.num_documents(),
            Self::Records(store) => store.num_records(),
            Self::Pictures(store) => store.num_pictures(),
        }
    }

    /// The number of tokens of all texts, without special tokens. A picture counts as one token, whatever its caption.
    pub fn num_tokens(&self) -> u64 {
        match self {
            Self::Tokens(store) => store.num_tokens(),
            Self::Records(store) => (0..store.num_records())
                .map(|number| store.text_lengths(number).iter().sum::<usize>() as u64)
                .sum(),
            Self::Pictures(store) => store.num_pictures(),
        }
    }

    /// The labels of the first column with labels, in the order of their numbers; `None` if no column has labels.
    pub fn labels(&self) -> Option<&[String]> {
        let Self::Records(store) = self else { return None };
        let table = store.columns().iter().find_map(|column| store.labels(&column.name));
        table.map(|table| &table.names[..])
    }

    /// The hash of the contents. A copy of the same data at another place has the same hash.
    pub fn contents(&self) -> String {
        match self {
            Self::Tokens(store) => store.contents(),
            Self::Records(store) => store.contents(),
            Self::Pictures(store) => store.contents(),
        }
    }

    /// The counts, the labels and the hash of the contents for environment.json. They are compared when a run is resumed.
    pub fn describe(&self) -> Vec<(&'static str, Value)> {
        let mut facts = match self {
            Self::Pictures(store) => vec![("documents", json!(store.num_pictures()))],
            _ => vec![
                ("documents", json!(self.num_documents())),
                ("tokens", json!(self.num_tokens())),
            ],
        };
        facts.extend(self.labels().map(|labels| ("labels", json!(labels))));
        facts.push((CONTENTS, json!(self.contents())));
        facts
    }
}

impl CheckedRecipe {
    /// The prepared data of a task. It is loaded from the cache, or prepared now.
    ///
    /// # Errors
    /// If the data cannot be read, or a record is invalid.
    pub fn prepare(
        &self,
        task: &Task,
        processor: &Processor,
        ledger: &Ledger,
    ) -> Result<PreparedData> {
        if let RowSpec::Pictures { captions, .. } = task.rows()? {
            return Ok(PreparedData::Pictures(self.prepare_pictures(task, captions, ledger)?));
        }
        let tokenizer = processor.tokenizer()?;
        let mut reported = Instant::now();
        let mut progress = |documents: u64, tokens: u64| {
            if reported.elapsed() >= REPORT_EVERY {
                reported = Instant::now();
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
        let store = preparation.prepare(&mut progress);
        Ok(PreparedData::Tokens(store.map_err(|error| RunError::of_task(task, error))?))
    }

    /// The labels of the first column with labels, if they do not come from the data.
    fn labels_by_column(
        &self,
        task: &Task,
        columns: &[Column],
    ) -> Result<BTreeMap<String, Vec<String>>> {
        let given = self.given_labels(task)?;
        let labelled = columns.iter().find(|column| column.has_labels() && !given.is_empty());
        Ok(labelled.map(|column| (column.name.clone(), given)).into_iter().collect())
    }

    /// The rows of a part of the data of a task. Random transforms are applied to training rows only.
    ///
    /// # Errors
    /// If the data cannot be cut into rows, for example because a row has no room for special tokens.
    pub fn rows(
        &self,
        task: &Task,
        data: &PreparedData,
        subset: Subset,
        processor: &Processor,
        ledger: &Ledger,
    ) -> Result<Arc<dyn Dataset>> {
        let length = task.data.max_length;
        if let (PreparedData::Pictures(store), RowSpec::Pictures { views, captions }) =
            (data, task.rows()?)
        {
            let row = (views, captions);
            return self.picture_rows(task, store, subset, row, processor, ledger);
        }
        let tokenizer = processor.tokenizer()?;
        let store = match data {
            // Pictures have rows of pictures, which were returned above.
            PreparedData::Pictures(_) => return Err(RunError::Settings(wrong_rows(task))),
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
            // A store of tokens never holds records or pictures.
            RowSpec::Tokens | RowSpec::Records { .. } | RowSpec::Pictures { .. } => {
                TokenRows::new(store, subset, task.data.rows, length, template, ledger)
                    .map(|rows| Arc::new(rows) as _)
            }
        };
        rows.map_err(|error| self.refuse_rows(task, error))
    }

    /// The number of rows that [`CheckedRecipe::rows`] would return. For rows of tokens, this needs no memory.
    ///
    /// # Errors
    /// Those of [`CheckedRecipe::rows`].
    pub fn count_rows(
        &self,
        task: &Task,
        data: &PreparedData,
        subset: Subset,
        processor: &Processor,
        ledger: &Ledger,
    ) -> Result<u64> {
        let (PreparedData::Tokens(store), RowSpec::Tokens) = (data, task.rows()?) else {
            return Ok(self.rows(task, data, subset, processor, ledger)?.len());
        };
        let template = self.special_token_template(task, processor.tokenizer()?)?;
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
            self.refuse(Problem::sentence(&task.key("objective.name"), task.message(&error)))
        })
    }

    /// The transforms of the texts of a task: those of records in `[[data.transform]]`, and those of captions in
    /// `[[data.caption_transform]]`.
    pub(crate) fn transforms(
        &self,
        task: &Task,
        tokenizer: &Tokenizer,
        ledger: &Ledger,
    ) -> Result<Transforms> {
        let (list, configs) = match task.rows()?.have_pictures() {
            true => ("data.caption_transform", &task.data.caption_transform[..]),
            false => ("data.transform", task.data.transforms()),
        };
        let special = tokenizer.special().all.iter().filter_map(|id| tokenizer.token(*id));
        let context = Context { special: special.collect(), ledger: ledger.clone() };
        let configs: Vec<Value> = configs.iter().cloned().map(Value::Object).collect();
        let build =
            |configs: &[Value]| Transforms::from_configs(self.config.run.seed, configs, &context);
        build(&configs).map_err(|error| {
            let is_wrong = |config: &Value| build(std::slice::from_ref(config)).is_err();
            let at = configs.iter().position(is_wrong).unwrap_or_default();
            let key = task.key(&format!("{list}[{at}]"));
            self.refuse(Problem::new(&key, error.to_string()))
        })
    }

    fn refuse_transform(&self, task: &Task, message: &str) -> RunError {
        self.refuse(Problem::new(&task.key("data.transform"), message))
    }

    pub(crate) fn refuse_rows(&self, task: &Task, error: DatasetError) -> RunError {
        match error {
            DatasetError::Store(error) => error.into(),
            error @ DatasetError::NoGroups { .. } => error.into(),
            other => self.refuse_length(task, &other),
        }
    }

    /// The error of a length of rows, at the key that gives it: that of the model, if the recipe has no other.
    fn refuse_length<E: Error + NamesSettings>(&self, task: &Task, error: &E) -> RunError {
        let key = task.key("data.max_length");
        let is_written = |key: &str| self.written.get(key).is_some();
        let mut of_model = POSITIONS.iter().map(|name| format!("model.{name}"));
        let of_model = of_model.find(|key| is_written(key));
        let of_model = of_model.filter(|_| !is_written(&key) && !is_written("data.max_length"));
        let problem = match of_model.filter(|_| error.settings().contains(&MAX_LENGTH)) {
            Some(of_model) => {
                let message =
                    format!("{error} (`{of_model}` in the recipe, which data.max_length follows)");
                Problem::sentence(&of_model, message)
            }
            None => Problem::sentence(&key, task.message(error)),
        };
        self.refuse(problem)
    }

    fn refuse_records(&self, task: &Task, error: RecordsError) -> RunError {
        match error {
            error @ RecordsError::NoRoom { .. } => self.refuse_length(task, &error),
            RecordsError::Transform(error) => self.refuse_transform(task, &error.to_string()),
            RecordsError::TransformInWindow { .. } => {
                self.refuse_transform(task, &error.to_string())
            }
            RecordsError::BadLabels { .. } => {
                self.refuse(Problem::sentence(&task.key("data.labels"), error.to_string()))
            }
            RecordsError::Read(error) => RunError::of_task(task, error),
            RecordsError::Store(error) => error.into(),
            RecordsError::Lock(error) => error.into(),
            RecordsError::Column(ColumnError::UnknownLabel { .. })
                if task.data.labels.is_empty() =>
            {
                let message = format!(
                    "{}; without this key, the labels are those of the model at `model.path`",
                    task.message(&error)
                );
                RunError::OfTask { message, source: error.into() }
            }
            other => RunError::of_task(task, other),
        }
    }
}

/// The message for prepared data that is not of the rows of the objective.
fn wrong_rows(task: &Task) -> String {
    format!("the prepared data holds pictures, but `{}` learns from texts", task.objective_name())
}
