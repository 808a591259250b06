//! Finds the model that a command is pointed at.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sst_core::Model;
use sst_data::{Ledger, Processor};
use sst_models::{LoadHead, LoadOptions};
use sst_train::{Checkpoint, Saver, TrainError};
use tch::Device;

use crate::error::{Result, RunError};
use crate::run_folder::read_config;

/// A model folder, and the run it belongs to.
pub struct ModelLocation {
    /// The Hugging Face model folder.
    pub folder: PathBuf,
    /// The run folder, with its config.toml, if the model is one of a run's checkpoints.
    pub run: Option<PathBuf>,
    /// The checkpoint that stands for the run, where a newer one is damaged.
    pub older: Option<PathBuf>,
}

/// Finds the model of a model folder, a checkpoint folder or a run folder (its newest good
/// checkpoint). A model that lies in a checkpoint is compared with the checkpoint's manifest first.
///
/// # Errors
/// If there is none, with what was looked for; or if the checkpoint is damaged.
pub fn find(path: &Path) -> Result<ModelLocation> {
    must_exist(path)?;
    let is_checkpoint =
        path.join("MANIFEST.json").is_file() || path.join("model/config.json").is_file();
    // The config.json of sentence-transformers may lie further below.
    let is_model = ["config.json", "modules.json"].iter().any(|name| path.join(name).is_file());
    let mut older = None;
    let folder = if is_model {
        verify_around(path)?;
        path.to_owned()
    } else if is_checkpoint {
        verify(path)?;
        path.join("model")
    } else {
        let folder;
        (folder, older) = newest_good(path)?;
        folder
    };
    // RUN/checkpoints/step-N/model; `latest` and other links are followed first.
    let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let run = real.ancestors().nth(3).filter(|run| run.join("config.toml").is_file());
    Ok(ModelLocation { run: run.map(Path::to_owned), folder, older })
}

/// The model of the newest good checkpoint of the run in `path`, and that checkpoint where it is not the newest of all.
fn newest_good(path: &Path) -> Result<(PathBuf, Option<PathBuf>)> {
    let saver = Saver::new(path);
    let newest = saver.steps()?.last().copied();
    if let Some(checkpoint) = saver.latest_good()? {
        let is_older = newest != Some(checkpoint.step());
        let older = is_older.then(|| checkpoint.path().to_owned());
        return Ok((checkpoint.model(), older));
    }
    // A copy of a run without its links may have this one alone.
    let latest = saver.folder().join("latest");
    if latest.join("MANIFEST.json").is_file() {
        verify(&latest)?;
        return Ok((latest.join("model"), None));
    }
    let message = format!(
        "{} is no model folder (config.json or modules.json), checkpoint folder (model/) or run folder (checkpoints/)",
        path.display()
    );
    Err(RunError::Model(message))
}

/// Compares the checkpoint that the model folder `path` lies in with its manifest; does nothing where it lies in
/// none.
///
/// # Errors
/// If the checkpoint is damaged.
pub fn verify_around(path: &Path) -> Result<()> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    match real.parent() {
        Some(checkpoint)
            if real.ends_with("model") && checkpoint.join("MANIFEST.json").is_file() =>
        {
            verify(checkpoint)
        }
        _ => Ok(()),
    }
}

/// Refuses a path that is not there.
///
/// # Errors
/// If there is nothing at `path`.
pub(crate) fn must_exist(path: &Path) -> Result<()> {
    match path.exists() {
        true => Ok(()),
        false => Err(RunError::Missing(path.to_owned())),
    }
}

/// Compares a checkpoint with its manifest.
fn verify(folder: &Path) -> Result<()> {
    let damaged = |error: TrainError| {
        let message = format!(
            "the checkpoint {} is damaged, so its model is not used ({error}): name another checkpoint, or the run \
             folder, which stands for its newest good one",
            folder.display()
        );
        RunError::Damaged(message)
    };
    match Checkpoint::at(folder).map_err(damaged)? {
        Some(checkpoint) => Ok(checkpoint.verify().map_err(damaged)?),
        None => {
            let message = format!(
                "{} has no MANIFEST.json, so it is no whole checkpoint: name its model/ folder to use that as it is",
                folder.display()
            );
            Err(RunError::Model(message))
        }
    }
}

impl ModelLocation {
    /// The pooling that the model was trained with, where it is one of a run of a contrastive objective.
    ///
    /// # Errors
    /// If the run's config.toml cannot be read.
    pub fn pooling(&self) -> Result<Option<String>> {
        let Some(run) = &self.run else { return Ok(None) };
        let config = read_config(run)?;
        let pooling = config.pointer("/objective/pooling").and_then(Value::as_str);
        Ok(pooling.map(str::to_owned))
    }

    /// Refuses a causal model, whose tokens see none after themselves: what it makes of a blank is no figure of a masked
    /// one. `instead` is the command for it.
    ///
    /// # Errors
    /// If the model is causal.
    pub fn must_be_masked(&self, model: &dyn Model, instead: &str) -> Result<()> {
        if model.decoder().is_err() {
            return Ok(());
        }
        let message = format!(
            "{}: a `{}` model is causal (its tokens see none after themselves), and this command is for masked \
             models: use `{instead}`",
            self.folder.display(),
            model.model_type()
        );
        Err(RunError::Model(message))
    }

    /// Refuses a model that is not causal. `instead` is the command for it.
    ///
    /// # Errors
    /// If the model is not causal.
    pub fn must_be_causal(&self, model: &dyn Model, instead: &str) -> Result<()> {
        if model.decoder().is_ok() {
            return Ok(());
        }
        let message = format!(
            "{}: a `{}` model is not causal (its tokens see those after themselves), and this command is for causal \
             models: use `{instead}`",
            self.folder.display(),
            model.model_type()
        );
        Err(RunError::Model(message))
    }

    /// The folder of the encoder's config.json, which may lie below that of sentence-transformers.
    ///
    /// # Errors
    /// If modules.json cannot be read, or names a folder elsewhere.
    pub fn encoder(&self) -> Result<PathBuf> {
        Ok(sst_models::encoder_folder(&self.folder)?)
    }

    /// Loads the model and what prepares its inputs; a tokenizer refuses texts with tokens that the model does not
    /// know. What is found and not used goes to `ledger`.
    ///
    /// # Errors
    /// If either cannot be read, or the model lacks the head that is needed.
    pub fn load(
        &self,
        device: Device,
        head: LoadHead,
        ledger: &Ledger,
    ) -> Result<(Box<dyn Model>, Processor)> {
        let folder = self.encoder()?;
        let processor = Processor::load(&folder)?;
        if let Ok(tokenizer) = processor.tokenizer() {
            ledger.add_unused(tokenizer.unused());
        }
        let options = LoadOptions { head, ..LoadOptions::new(device) };
        let loaded = sst_models::open(&folder, &options)?;
        loaded.tell(ledger);
        let processor = match loaded.model.vocab_size() {
            Ok(known) => processor.map_tokenizer(|tokenizer| tokenizer.for_vocabulary(known)),
            // A model that reads no text has no vocabulary.
            Err(_) => processor,
        };
        Ok((loaded.model, processor))
    }
}
