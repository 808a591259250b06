//! Finds the model that a command is pointed at.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;
use sst_cli::exit::Usage;
use sst_core::Model;
use sst_data::Ledger;
use sst_data::tokenize::Tokenizer;
use sst_models::{Head, LoadOptions};
use sst_train::Saver;
use tch::Device;

/// A model folder, and the run it belongs to.
pub(crate) struct Found {
    /// The Hugging Face model folder.
    pub(crate) folder: PathBuf,
    /// The run folder, with its config.toml, if the model is one of a run's checkpoints.
    pub(crate) run: Option<PathBuf>,
}

/// Finds the model of a model folder, a checkpoint folder or a run folder (its newest good
/// checkpoint).
///
/// # Errors
/// If there is none, with what was looked for.
pub(crate) fn find(path: &Path) -> Result<Found> {
    if !path.exists() {
        return Err(Usage(format!("{} does not exist", path.display())).into());
    }
    let folder = if path.join("config.json").is_file() {
        path.to_owned()
    } else if path.join("model/config.json").is_file() {
        path.join("model")
    } else {
        let saver = Saver::new(path);
        match saver.latest_good()? {
            Some(checkpoint) => checkpoint.model(),
            None => {
                let message = format!(
                    "{} is no model folder (config.json), checkpoint folder (model/) or run folder \
                     (checkpoints/)",
                    path.display()
                );
                return Err(Usage(message).into());
            }
        }
    };
    // RUN/checkpoints/step-N/model; `latest` and other links are followed first.
    let real = folder.canonicalize().unwrap_or_else(|_| folder.clone());
    let run = real.ancestors().nth(3).filter(|run| run.join("config.toml").is_file());
    Ok(Found { run: run.map(Path::to_owned), folder })
}

impl Found {
    /// The pooling that the model was trained with, where it is one of a run of a contrastive objective.
    ///
    /// # Errors
    /// If the run's config.toml cannot be read.
    pub(crate) fn pooling(&self) -> Result<Option<String>> {
        let Some(run) = &self.run else { return Ok(None) };
        let path = run.join("config.toml");
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        let config: Value =
            toml::from_str(&text).with_context(|| format!("cannot read {}", path.display()))?;
        let pooling = config.pointer("/objective/pooling").and_then(Value::as_str);
        Ok(pooling.map(str::to_owned))
    }

    /// Loads the model and its tokenizer, which refuses texts with tokens that the model does not know. What
    /// is found and not used goes to `ledger`.
    ///
    /// # Errors
    /// If either cannot be read, or the model lacks the head that is needed.
    pub(crate) fn load(
        &self,
        device: Device,
        head: Head,
        ledger: &Ledger,
    ) -> Result<(Box<dyn Model>, Tokenizer)> {
        let tokenizer = Tokenizer::load(&self.folder)?;
        let options = LoadOptions { head, ..LoadOptions::new(device) };
        let loaded = sst_models::open(&self.folder, &options)?;
        loaded.tell(ledger);
        let known = loaded.model.encoder().vocab_size();
        Ok((loaded.model, tokenizer.for_vocabulary(known)))
    }
}
