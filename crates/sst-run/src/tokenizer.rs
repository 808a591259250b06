//! The tokenizer of a recipe: loaded, or trained on the data of all tasks and kept in the cache.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde_json::json;
use sha2::{Digest, Sha256};
use sst_data::clean::Cleaner;
use sst_data::lock::{self, FileLock};
use sst_data::read::{self, Source};
use sst_data::records::Column;
use sst_data::tokenize::{TokenizeError, Tokenizer, TrainConfig, train};
use sst_data::{Ledger, RowSpec};

use crate::error::{Result, RunError};
use crate::observer::Notice;
use crate::prepared::CheckedRecipe;
use crate::recipe::{Problem, Task, TokenizerChoice, tokenizer_problem};
use crate::{cached_tokenizer, model};

impl CheckedRecipe {
    /// The tokenizer of this choice.
    ///
    /// # Errors
    /// If it cannot be loaded or trained.
    pub(crate) fn tokenizer(&self, choice: &TokenizerChoice) -> Result<Tokenizer> {
        match choice {
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
        let captions = self.captions(&uncounted)?;
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
        let trained = train(config, documents.into_iter().flatten().chain(captions));
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
            None => "none".to_owned(),
            Some(TokenizerChoice::Path(path)) => format!("tokenizer.path, {path}"),
            Some(TokenizerChoice::Train(config)) => {
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
        for (task, source) in self.picture_sources() {
            // Captions are not cleaned.
            hash.update(json!([version, train, task.data.caption_fields]).to_string());
            let source = source.fingerprint().map_err(|error| RunError::of_task(task, error))?;
            hash.update(source);
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
            .filter(|(task, _)| !task.rows().is_ok_and(|rows| rows.have_pictures()))
            .collect()
    }
}
