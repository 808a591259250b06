//! A checkpoint on disk: verifying and restoring it.

use std::path::{Path, PathBuf};

use sst_core::checkpoint::{Allow, Renamed, Weights, load_params};
use sst_core::lora::ADAPTER_PREFIX;
use sst_core::objective::StateDict;
use sst_core::{Model, Objective};

use super::files;
use super::manifest::{Depth, Manifest};
use crate::error::TrainError;
use crate::state::{Exported, Restored, STATE_VERSION, TrainerState};
use crate::task_name::with_task;

/// The folder of a checkpoint, such as `step-00000200`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    step: u64,
    path: PathBuf,
}

impl Checkpoint {
    pub(super) fn new(step: u64, path: PathBuf) -> Self {
        Self { step, path }
    }

    /// The checkpoint in `folder`, which may be anywhere and may be damaged. `None` if the folder has no manifest, so
    /// that it is not a checkpoint.
    ///
    /// # Errors
    /// If the name of the folder does not tell the step, and the manifest cannot be read.
    pub fn at(folder: &Path) -> Result<Option<Self>, TrainError> {
        let step_of_name = folder.file_name().and_then(|name| super::step_of(name.to_str()?));
        let step = match step_of_name.filter(|_| folder.join(files::MANIFEST).is_file()) {
            Some(step) => Some(step),
            None => Manifest::step_of(folder)?,
        };
        Ok(step.map(|step| Self::new(step, folder.to_owned())))
    }

    /// The number of steps done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The Hugging Face model folder inside the checkpoint.
    pub fn model(&self) -> PathBuf {
        self.path.join(files::MODEL)
    }

    /// Compares the length and the hash of every file with the manifest.
    ///
    /// # Errors
    /// If a file is missing, too short or changed. The error names the file.
    pub fn verify(&self) -> Result<(), TrainError> {
        self.check(Depth::Content)
    }

    /// Compares every file with the manifest, and checks that no file is missing that the state needs.
    pub(super) fn check(&self, depth: Depth) -> Result<(), TrainError> {
        let manifest = Manifest::verify(&self.path, self.step, depth)?;
        // The state is read as plain JSON, because a checkpoint of an older sst is complete even if this sst cannot
        // resume it.
        let state: serde_json::Value = files::read_json(&self.path.join(files::TRAINER))?;
        let has_ema = state.get("ema_updates").is_some_and(|updates| !updates.is_null());
        let is_averaged = state.get("model").is_some_and(|model| model == "ema");
        for (name, is_needed) in [(files::EMA, has_ema), (files::WEIGHTS, is_averaged)] {
            if is_needed && !manifest.lists(name) {
                let path = self.path.join(files::MANIFEST);
                return Err(TrainError::broken(&path, format!("it does not list {name}")));
            }
        }
        Ok(())
    }

    /// Reads `state/trainer.json`, and no other file.
    ///
    /// # Errors
    /// If it cannot be parsed, or has another version or another step.
    pub fn state(&self) -> Result<TrainerState, TrainError> {
        let path = self.path.join(files::TRAINER);
        let state: serde_json::Value = files::read_json(&path)?;
        // Other versions have other fields, so the version is checked before the fields are parsed.
        let number = |name: &str| state.get(name).and_then(serde_json::Value::as_u64);
        let (version, step) = (number("version"), number("step"));
        if (version, step) == (Some(STATE_VERSION.into()), Some(self.step)) {
            return files::parse_json(&path, state);
        }
        let text = |number: Option<u64>| number.map_or("none".to_owned(), |n| n.to_string());
        let reason = format!(
            "it has version {} and step {}, and version {STATE_VERSION} and step {} are expected",
            text(version),
            text(step),
            self.step
        );
        Err(TrainError::broken(&path, reason))
    }

    /// Restores the trained weights of `model`, and the parameters and states of `objectives`, which are given with the
    /// names of their tasks. Returns the rest of the checkpoint for [`crate::fit()`].
    ///
    /// The weights are those of `model/`, or of `state/model.safetensors` if `model/` holds the moving average. For a
    /// model with an adapter, they are those of the adapter, because its other weights never change.
    ///
    /// # Errors
    /// If a file cannot be read, or does not fit the model or an objective.
    pub fn restore(
        &self,
        model: &mut dyn Model,
        objectives: &mut [(&str, &mut dyn Objective)],
    ) -> Result<Restored, TrainError> {
        let state = self.state()?;
        let weights = match (state.model, model.params().adapter()) {
            (Exported::Raw, None) => Weights::open(&self.model())?,
            (Exported::Raw, Some(_)) => Weights::open(&self.path.join(files::ADAPTER_FILE))?,
            (Exported::Ema, _) => Weights::open(&self.path.join(files::WEIGHTS))?,
        };
        // A tied parameter is saved under two names and restored from one of them.
        let aliases: Vec<String> =
            model.saved_aliases().into_iter().map(|(_, alias)| alias).collect();
        let rename = |name: &str| match aliases.iter().any(|alias| alias == name) {
            true => Renamed::Ignore,
            false => Renamed::To(name.strip_prefix(ADAPTER_PREFIX).unwrap_or(name).to_owned()),
        };
        // The frozen weights of a model with an adapter are those of its base model, which are in place.
        let params = model.params();
        let frozen = params.iter().map(|(name, _)| name).filter(|name| !params.is_saved(name));
        let allow = Allow { missing: frozen.map(str::to_owned).collect(), ..Allow::default() };
        load_params(model.params_mut(), &weights, rename, &allow)?;
        self.restore_objectives(objectives)?;
        let optimizer = tensors(&self.path.join(files::OPTIMIZER))?;
        let ema = match state.ema_updates {
            Some(_) => Some(tensors(&self.path.join(files::EMA))?),
            None => None,
        };
        Ok(Restored { path: self.path.clone(), state, optimizer, ema })
    }

    /// Restores the parameters and the states of the objectives from `state/objective.safetensors`.
    fn restore_objectives(
        &self,
        objectives: &mut [(&str, &mut dyn Objective)],
    ) -> Result<(), TrainError> {
        let path = self.path.join(files::OBJECTIVE);
        let mut saved = tensors(&path)?;
        for (task, objective) in objectives.iter_mut() {
            for (name, target) in objective.params().into_iter().flat_map(|params| params.iter()) {
                let stored = saved.remove(&with_task(task, &format!("param.{name}")));
                let Some(tensor) = stored.filter(|tensor| tensor.size() == target.size()) else {
                    let (name, shape) = (with_task(task, name), target.size());
                    let reason =
                        format!("it lacks the objective's parameter `{name}` of shape {shape:?}");
                    return Err(TrainError::broken(&path, reason));
                };
                let mut param = target.shallow_clone();
                tch::no_grad(|| param.f_copy_(&tensor))?;
            }
            let prefix = with_task(task, "state.");
            let mut state = StateDict::new();
            saved.retain(|name, tensor| match name.strip_prefix(&prefix) {
                Some(name) => {
                    state.insert(name.to_owned(), tensor.shallow_clone());
                    false
                }
                None => true,
            });
            objective.load_state(state)?;
        }
        match saved.keys().next() {
            Some(name) => {
                let reason = format!("its `{name}` belongs to no objective of this run");
                Err(TrainError::broken(&path, reason))
            }
            None => Ok(()),
        }
    }
}

/// All tensors of a file by name.
fn tensors(path: &Path) -> Result<StateDict, TrainError> {
    let weights = Weights::open(path)?;
    weights.names().map(|name| Ok((name.to_owned(), weights.tensor(name)?))).collect()
}
