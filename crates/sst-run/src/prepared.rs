//! Builds what a run needs from its configuration: tokenizer, prepared data, rows, objectives and model.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sst_core::checkpoint::{Allow, CheckpointError};
use sst_core::{Modality, Model, Objective};
use sst_data::clean::Cleaner;
use sst_data::lock::{self, FileLock};
use sst_data::read::{self, Source};
use sst_data::records::Column;
use sst_data::tokenize::{TokenizeError, Tokenizer, TrainConfig, train};
use sst_data::{Ledger, RowSpec, Unused};
use sst_models::{BuildOptions, Carried, LoadHead, LoadOptions, ModelError, Role};
use sst_objectives::ObjectiveError;
use tch::Device;

use crate::error::{Result, RunError};
use crate::observer::{Notice, Observer};
use crate::recipe::{
    ModelChoice, Problem, RunConfig, Task, TokenizerChoice, Written, key_problem,
    tokenizer_problem, unused,
};
use crate::{cached_tokenizer, model};

/// A checked recipe: its complete configuration, and methods that build what a run needs.
pub struct CheckedRecipe {
    /// Every setting, with defaults filled in.
    pub config: RunConfig,
    /// The recipe as it was written, so that errors can name the line.
    pub(crate) written: Written,
    /// The folder of prepared data if `data.cache` is not set.
    pub(crate) default_cache: Option<PathBuf>,
    pub(crate) observer: Arc<dyn Observer>,
}

impl CheckedRecipe {
    /// Turns a problem with a key into an error that names the place in the recipe.
    pub(crate) fn refuse(&self, problem: Problem) -> RunError {
        self.written.locate(problem).into()
    }

    /// The folder of prepared data and trained tokenizers: `data.cache`, or else the default one.
    ///
    /// # Errors
    /// If there is none.
    pub fn cache(&self) -> Result<PathBuf> {
        let cache = self.config.tasks.list.first().map(|task| task.data.cache.as_str());
        match cache.unwrap_or_default() {
            "" => self.default_cache.clone().ok_or(RunError::NoCache),
            folder => Ok(PathBuf::from(folder)),
        }
    }

    /// The keys that were written but have no effect in this recipe, each with its place and the reason.
    pub fn unused(&self) -> Unused {
        unused(&self.config, &self.written)
    }

    /// Returns the tokenizer: loaded from `tokenizer.path`, or trained on the data of all tasks and cached.
    pub fn tokenizer(&self) -> Result<Tokenizer> {
        match &self.config.tokenizer {
            TokenizerChoice::Path(path) => {
                model::verify_around(Path::new(path))?;
                // For a sentence-transformers folder, the tokenizer lies with the encoder, as the model does.
                let folder = sst_models::encoder_folder(Path::new(path))?;
                let folder = sst_models::tokenizer_folder(&folder)?;
                Tokenizer::load(&folder).map_err(|error| match &error {
                    TokenizeError::NotFound(_) | TokenizeError::Foreign { .. } => {
                        self.refuse(Problem::new("tokenizer.path", error.to_string()))
                    }
                    _ => error.into(),
                })
            }
            TokenizerChoice::Train(train) => self.trained(train),
        }
    }

    /// The error for a tokenizer that cannot be trained.
    pub(crate) fn refuse_tokenizer(&self, error: TokenizeError) -> RunError {
        self.refuse(tokenizer_problem(error))
    }

    /// The error of training a tokenizer. If there was no word to train on, it says what cleaning has left out.
    fn refuse_training(&self, error: TokenizeError, ledger: &Ledger) -> RunError {
        let Problem { key, mut message, .. } = tokenizer_problem(error);
        let limits = [("clean.too_short", "min_length"), ("clean.too_long", "max_length")];
        for (name, limit) in limits {
            let left_out = ledger.count(name);
            if left_out > 0 {
                message += &format!("; data.clean.{limit} leaves out {left_out} documents");
            }
        }
        self.refuse(Problem::new(&key, message))
    }

    fn trained(&self, config: &TrainConfig) -> Result<Tokenizer> {
        let place = self.tokenizer_place(config)?;
        if let Ok(tokenizer) = cached_tokenizer::load(&place) {
            return Ok(tokenizer);
        }
        // Only one process trains it. Others that need the same tokenizer wait and load the result.
        let cache = place.parent().unwrap_or(&place);
        std::fs::create_dir_all(cache).map_err(RunError::io("create", cache))?;
        let _lock = FileLock::wait(&place.with_extension("lock"), |pid| {
            tracing::warn!("{} is training the same tokenizer: waiting for it", lock::holder(pid));
        })?;
        if place.is_dir() {
            match cached_tokenizer::load(&place) {
                Ok(tokenizer) => return Ok(tokenizer),
                Err(error) => {
                    tracing::warn!("training the tokenizer again: {error}");
                    std::fs::remove_dir_all(&place).map_err(RunError::io("remove", &place))?;
                }
            }
        }
        let vocab_size = config.vocab_size;
        self.observer.notice(&Notice::TrainingTokenizer { vocab_size });
        // Documents that are left out here are not counted; they are counted when the data is prepared.
        let uncounted = Ledger::new();
        let data = self.text_sources();
        let mut failed: Vec<_> = data.iter().map(|_| None).collect();
        let mut documents: Vec<Box<dyn Iterator<Item = String> + Send + '_>> = Vec::new();
        for ((task, source), failed) in data.iter().zip(&mut failed) {
            let mut cleaner = Cleaner::new(task.data.clean.clone(), uncounted.clone());
            let texts = source.texts(&uncounted, failed);
            let texts = texts.map_err(|error| RunError::of_task(task, error))?;
            let no_key = sst_data::Key::new("", 0);
            documents.push(Box::new(texts.filter_map(move |text| cleaner.clean(&no_key, &text))));
        }
        let trained = train(config, documents.into_iter().flatten());
        if let Some((task, error)) =
            data.iter().zip(failed).find_map(|((task, _), failed)| Some((task, failed?)))
        {
            return Err(RunError::of_task(task, error));
        }
        let tokenizer = trained.map_err(|error| self.refuse_training(error, &uncounted))?;
        let temporary = place.with_extension(format!("{}.tmp", std::process::id()));
        tokenizer.save(&temporary, self.config.tasks.max_length())?;
        cached_tokenizer::seal(&temporary)?;
        if let Err(error) = std::fs::rename(&temporary, &place) {
            // Another process may have written the same tokenizer first.
            let _ = std::fs::remove_dir_all(&temporary);
            if !place.is_dir() {
                return Err(RunError::io("write", &place)(error));
            }
        }
        cached_tokenizer::load(&place)
    }

    /// The cache folder of a trained tokenizer.
    fn tokenizer_place(&self, config: &TrainConfig) -> Result<PathBuf> {
        Ok(self.cache()?.join("tokenizers").join(self.tokenizer_fingerprint(config)?))
    }

    /// Describes where the tokenizer comes from, for messages.
    pub(crate) fn tokenizer_source(&self) -> Result<String> {
        Ok(match &self.config.tokenizer {
            TokenizerChoice::Path(path) => format!("tokenizer.path, {path}"),
            TokenizerChoice::Train(config) => {
                format!(
                    "trained on the data and kept in {}",
                    self.tokenizer_place(config)?.display()
                )
            }
        })
    }

    /// The hash of everything that a trained tokenizer depends on. Of each file it covers the path, size and
    /// modification time.
    fn tokenizer_fingerprint(&self, train: &TrainConfig) -> Result<String> {
        let mut hash = Sha256::new();
        let version = env!("CARGO_PKG_VERSION");
        for (task, source) in self.text_sources() {
            hash.update(
                json!([version, read::VERSION, train, source, task.data.clean]).to_string(),
            );
            for path in source.files()? {
                let metadata = std::fs::metadata(&path).map_err(RunError::io("read", &path))?;
                let modified = metadata
                    .modified()
                    .ok()
                    .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
                    .unwrap_or_default()
                    .as_nanos();
                hash.update(format!("{}\n{}\n{modified}\n", path.display(), metadata.len()));
            }
        }
        Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The texts of the tasks without repetition, as two tasks may train on the same texts. Of records they are all columns
    /// of texts.
    fn text_sources(&self) -> Vec<(&Task, Source)> {
        let mut seen = BTreeSet::new();
        let sources = self.config.tasks.list.iter().map(|task| {
            let mut source = task.data.source();
            if let Ok(RowSpec::Records { columns, .. }) = task.rows() {
                let columns = task.data.columns(&columns).into_iter();
                let mut fields = columns.filter(Column::is_text).map(|column| column.field);
                source.text_field = fields.next().unwrap_or(source.text_field);
                source.pair_fields = fields.collect();
            }
            (task, source)
        });
        sources
            .filter(|(task, source)| seen.insert(json!([source, task.data.clean]).to_string()))
            .collect()
    }

    /// Fills in the keys of the model that follow from the tokenizer: the vocabulary size and the ids of special
    /// tokens.
    pub fn complete(&mut self, tokenizer: &Tokenizer) -> Result<()> {
        let ModelChoice::New { config, .. } = &mut self.config.model else { return Ok(()) };
        let known = tokenizer.vocab_size();
        let vocab = config.entry("vocab_size").or_insert(json!(known)).as_u64();
        let model_type = config.get("model_type").cloned().unwrap_or_default();
        let entry = sst_models::list().iter().find(|entry| model_type == entry.model_type);
        let defaults = entry.map(|entry| (entry.default_config)()).unwrap_or_default();
        let special = tokenizer.special();
        // BERT tokenizers have no bos and eos tokens; [CLS] and [SEP] take their place.
        let (bos, eos) = (special.bos.or(special.cls), special.eos.or(special.sep));
        for (key, id) in
            [("pad_token_id", special.pad), ("bos_token_id", bos), ("eos_token_id", eos)]
        {
            if defaults.get(key).is_some() {
                config.entry(key).or_insert(json!(id));
            }
        }
        if let Some(vocab) = vocab.filter(|vocab| *vocab < known as u64) {
            let message = format!(
                "is {vocab}, but the tokenizer has {known} tokens: raise it, or omit it to use \
                 the tokenizer's"
            );
            return Err(self.refuse(Problem::new("model.vocab_size", message)));
        }
        Ok(())
    }

    /// Builds the objective of a task for `model`. `labels` are those of the task's data; empty for data without labels.
    pub fn objective(
        &self,
        task: &Task,
        tokenizer: &Tokenizer,
        model: &dyn Model,
        labels: &[String],
    ) -> Result<Box<dyn Objective>> {
        let hidden_size = model.hidden_size(Modality::Text)?;
        self.objective_of(task, tokenizer, hidden_size, model.params().device(), Some(labels))
    }

    /// Builds the objective of a task for a model of this hidden size. `labels` is `None` for a check without data.
    pub(crate) fn objective_of(
        &self,
        task: &Task,
        tokenizer: &Tokenizer,
        hidden_size: i64,
        device: Device,
        labels: Option<&[String]>,
    ) -> Result<Box<dyn Objective>> {
        let outputs = labels.map(|labels| self.outputs([(task, labels)])).transpose()?.flatten();
        let context = sst_objectives::Context {
            padding_free: self.config.train.batching.padding_free,
            labels: labels.unwrap_or_default(),
            outputs: outputs.as_deref().unwrap_or_default(),
            ..sst_objectives::Context::new(
                Some(tokenizer),
                hidden_size,
                device,
                self.config.run.seed,
            )
        };
        let (name, config) = (task.objective_name(), task.objective_config());
        sst_objectives::build(name, &config, &context).map_err(|error| {
            self.refuse(match &error {
                ObjectiveError::Core(_) => return error.into(),
                ObjectiveError::Config { path, message } => {
                    key_problem(&task.key("objective"), path, message)
                }
                ObjectiveError::Needs { path, .. } => task.objective_problem(path, &error),
                ObjectiveError::NoToken { .. }
                | ObjectiveError::NoTokenizer
                | ObjectiveError::NoOrdinaryToken => {
                    Problem::sentence("tokenizer", task.message(&error))
                }
                ObjectiveError::Labels { message } => {
                    Problem::sentence(&task.key("data.labels"), message.clone())
                }
                ObjectiveError::Unknown { .. } => {
                    Problem::sentence(&task.key("objective.name"), error.to_string())
                }
            })
        })
    }

    /// Builds or loads the model on `device`, with the head that the objectives train, which gets an output for each of
    /// `classes`, if there are any. A loaded model comes with the other files of its folder. Unused files and settings,
    /// and weights that are newly initialized, are recorded in `ledger`.
    pub fn model(
        &self,
        tokenizer: &Tokenizer,
        classes: Option<&[String]>,
        device: Device,
        ledger: &Ledger,
    ) -> Result<(Box<dyn Model>, Option<Carried>)> {
        let class_keys = self.class_keys(classes)?;
        match &self.config.model {
            ModelChoice::New { config, init, head } => {
                let mut config = config.clone();
                config.extend(class_keys.into_iter().filter(|(_, value)| !value.is_null()));
                let layers = head.layers.filter(|_| self.trains_classifier()).unwrap_or_default();
                config.extend(layers.keys());
                let options = BuildOptions {
                    device,
                    seed: Some(self.config.run.seed),
                    architecture: self.new_architecture()?.map(str::to_owned),
                    init: *init,
                };
                let model = sst_models::build(&Value::Object(config), &options)
                    .map_err(|error| self.refuse_model(error))?;
                Ok((model, None))
            }
            ModelChoice::Folder { path, .. } => {
                model::verify_around(Path::new(path))?;
                let encoder = sst_models::encoder_folder(Path::new(path))?;
                let mut options = self.load_options(device)?;
                options.config.extend(class_keys);
                let loaded = sst_models::open(&encoder, &options);
                let loaded = loaded.map_err(|error| self.refuse_folder(error))?;
                if encoder != Path::new(path) {
                    ledger.add_unused(&sst_models::around_encoder(Path::new(path), &encoder)?);
                }
                loaded.add_to(ledger);
                let (model, carried) = (loaded.model, loaded.carried);
                let (vocab_size, limit) = (model.vocab_size()?, model.max_length()?);
                self.check_sizes(vocab_size, limit, tokenizer.vocab_size())?;
                Ok((model, Some(carried)))
            }
        }
    }

    /// The options for loading the model of `model.path`.
    pub(crate) fn load_options(&self, device: Device) -> Result<LoadOptions> {
        let options = LoadOptions {
            head: self.trained_head()?.map_or(LoadHead::AsFound, LoadHead::New),
            role: Role::Write,
            seed: self.config.run.seed,
            ..LoadOptions::new(device)
        };
        Ok(match &self.config.model {
            ModelChoice::New { .. } => options,
            ModelChoice::Folder { allow_missing, allow_unexpected, config, head, lora, .. } => {
                LoadOptions {
                    config: config.clone(),
                    head_layers: head.layers.filter(|_| self.trains_classifier()),
                    reset_head: head.new,
                    lora: lora.clone(),
                    allow: Allow {
                        missing: allow_missing.clone(),
                        unexpected: allow_unexpected.clone(),
                    },
                    ..options
                }
            }
        })
    }

    /// Checks the sizes of the model of `model.path`: its vocabulary must have at least `tokens` entries, the size of
    /// the tokenizer, and its context length `limit` must be at least the row length of every task.
    pub(crate) fn check_sizes(&self, vocab_size: usize, limit: usize, tokens: usize) -> Result<()> {
        if vocab_size < tokens {
            let message = format!(
                "has a vocabulary of {vocab_size}, but the tokenizer has {tokens} tokens: use the tokenizer it was \
                 trained with"
            );
            return Err(self.refuse(Problem::new("model.path", message)));
        }
        let too_long = self.config.tasks.list.iter().find(|task| task.data.max_length > limit);
        if let Some(task) = too_long {
            let length = task.data.max_length;
            let message =
                format!("is {length}, but the model of model.path reads {limit}: lower it");
            return Err(self.refuse(Problem::new(&task.key("data.max_length"), message)));
        }
        Ok(())
    }

    /// Turns an error of loading `model.path` into one that names the place in the recipe.
    pub(crate) fn refuse_folder(&self, error: ModelError) -> RunError {
        match &error {
            ModelError::Config { path, message } if path.split('.').next() == Some("lora") => {
                self.refuse(key_problem("model", path, message))
            }
            ModelError::Config { path, message } => {
                self.refuse(key_problem("model.config", path, message))
            }
            ModelError::HeadSize { .. } => {
                let message = format!("{error} (`model.head.new = true` in the recipe)");
                self.refuse(Problem::new("model.path", message))
            }
            ModelError::IsAdapter { .. } => {
                self.refuse(Problem::new("model.path", error.to_string()))
            }
            ModelError::Core(sst_core::Error::Checkpoint(CheckpointError::NoWeights {
                ..
            })) => self.refuse(Problem::new("model.path", error.to_string())),
            _ => error.into(),
        }
    }

    fn refuse_model(&self, error: ModelError) -> RunError {
        match &error {
            ModelError::Config { path, message } => {
                let path = if path == "model_type" { "type" } else { path };
                self.refuse(key_problem("model", path, message))
            }
            ModelError::UnknownType { .. } => {
                self.refuse(Problem::sentence("model.type", error.to_string()))
            }
            _ => error.into(),
        }
    }
}
