//! The models of a page, and the runs that start from them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::json;
use sha2::{Digest, Sha256};
use sst_cli::args::{DeviceArgs, TrainArgs};
use sst_cli::exit::Exit;
use sst_run::model::{self, ModelLocation};
use sst_run::{Evaluation, Measurement};
use sst_train::Outcome;

use crate::cmd::{train, twin};

/// A model of the page.
pub(super) struct Subject {
    /// Its name on the page.
    pub(super) name: String,
    /// The path that the recipe names.
    pub(super) path: PathBuf,
    /// Where it is.
    pub(super) found: ModelLocation,
    /// The model folder of its twin.
    pub(super) twin: Option<PathBuf>,
}

/// Which of the two is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The model.
    Model,
    /// Its twin.
    Twin,
}

impl Subject {
    /// Finds the models of the page and writes their twins below `twins`.
    ///
    /// # Errors
    /// If a model cannot be found or loaded, or a twin cannot be written.
    pub(super) fn find_all(page: &Evaluation, twins: &Path) -> Result<Vec<Self>> {
        let one = |(name, path): &(String, PathBuf)| -> Result<Self> {
            let found = model::find(path)?;
            let twin = match page.evaluate.twin {
                true => Some(twin::write(&found, &twins.join(name), page.evaluate.seed)?),
                false => None,
            };
            Ok(Self { name: name.clone(), path: path.clone(), found, twin })
        };
        page.evaluate.models.iter().map(one).collect()
    }

    /// The folder of the model, or of its twin if there is one.
    pub(super) fn folder(&self, who: Who) -> Option<&Path> {
        match who {
            Who::Model => Some(&self.path),
            Who::Twin => self.twin.as_deref(),
        }
    }
}

/// A run that starts from a model, or why there is none.
pub(super) enum Tuned {
    /// The folder of the run.
    Run(PathBuf),
    /// It was stopped before its end.
    Stopped(Exit),
}

/// Trains the run that a section asks for, starting from the model in `folder`, or finds it if it was trained before. The
/// name of the run has a hash of the weights that it starts from, of its recipe and of the overrides, so that a run from
/// other weights is never taken for it.
///
/// # Errors
/// If the recipe is wrong, or training fails.
pub(super) fn tune(
    page: &Evaluation,
    section: &Measurement,
    recipe: &Path,
    (subject, who): (&Subject, Who),
    device: &DeviceArgs,
) -> Result<Tuned> {
    let folder = match who {
        Who::Model => subject.found.encoder()?,
        Who::Twin => {
            let twin = subject.twin.as_deref().context("the model has no twin")?;
            sst_models::encoder_folder(twin)?
        }
    };
    let twin = if who == Who::Twin { "-twin" } else { "" };
    let hash = hash(&folder, recipe, section)?;
    let name = format!("{}-{}{twin}-{hash}", section.name, subject.name);
    let runs = page.evaluate.out.join("runs");
    let mut sets = section.set.clone();
    sets.extend([
        format!("model.path={}", json!(folder)),
        format!("tokenizer.path={}", json!(folder)),
        format!("run.dir={}", json!(runs)),
        format!("run.name={}", json!(name)),
        format!("run.device={}", json!(device.device)),
        format!("run.threads={}", device.threads),
    ]);
    let args = TrainArgs {
        recipe: recipe.to_owned(),
        set: Vec::new(),
        resume: true,
        allow_change: Vec::new(),
        dry_run: false,
        seeds: None,
        profile: None,
        json: false,
    };
    let trained = train::train(&args, &sets).with_context(|| {
        let folder = runs.join(&name);
        format!("[eval.{}] trains {} (remove it to train it anew)", section.name, folder.display())
    })?;
    Ok(match trained.outcome {
        Outcome::Finished { .. } => Tuned::Run(runs.join(name)),
        Outcome::Stopped { .. } => Tuned::Stopped(Exit::Stopped),
    })
}

/// The first digits of a hash of everything that decides a run, its data aside.
fn hash(folder: &Path, recipe: &Path, section: &Measurement) -> Result<String> {
    let mut hasher = Sha256::new();
    let mut add = |path: &Path| -> Result<()> {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
        Ok(())
    };
    add(recipe)?;
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for path in files.iter().filter(|path| path.is_file()) {
        // The model card says when it was written.
        if path.file_name() != Some(&OsString::from("README.md")) {
            add(path)?;
        }
    }
    for set in &section.set {
        hasher.update(set.as_bytes());
        hasher.update([0]);
    }
    Ok(hasher.finalize()[..4].iter().map(|byte| format!("{byte:02x}")).collect())
}
