//! A checkpoint on disk, read back.

use std::path::{Path, PathBuf};

use sst_core::checkpoint::{Allow, Renamed, Weights, load_params};
use sst_core::lora::ADAPTER_PREFIX;
use sst_core::objective::StateDict;
use sst_core::{Model, Objective};

use super::files;
use super::manifest::{Depth, Manifest};
use crate::error::TrainError;
use crate::state::{Exported, Restored, STATE_VERSION, TrainerState};
use crate::task_name::of_task;

/// A checkpoint folder, `step-00000200`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    step: u64,
    path: PathBuf,
}

impl Checkpoint {
    pub(super) fn new(step: u64, path: PathBuf) -> Self {
        Self { step, path }
    }

    /// The checkpoint in `folder`, wherever that lies, whole or not; `None` if it has no manifest, which every
    /// checkpoint has.
    ///
    /// # Errors
    /// If the step stands in the manifest alone, and that cannot be read.
    pub fn at(folder: &Path) -> Result<Option<Self>, TrainError> {
        let named = folder.file_name().and_then(|name| super::step_of(name.to_str()?));
        let step = match named.filter(|_| folder.join(files::MANIFEST).is_file()) {
            Some(step) => Some(step),
            None => Manifest::step_of(folder)?,
        };
        Ok(step.map(|step| Self::new(step, folder.to_owned())))
    }

    /// The steps that had been done.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The Hugging Face model folder in it.
    pub fn model(&self) -> PathBuf {
        self.path.join(files::MODEL)
    }

    /// Compares every file with the manifest.
    ///
    /// # Errors
    /// If one is missing, cut off or changed, with its name.
    pub fn verify(&self) -> Result<(), TrainError> {
        self.check(Depth::Content)
    }

    pub(super) fn check(&self, depth: Depth) -> Result<(), TrainError> {
        let manifest = Manifest::verify(&self.path, self.step, depth)?;
        // As it lies there: a checkpoint of an older sst has a state that this one does not resume, and is whole.
        let state: serde_json::Value = files::read_json(&self.path.join(files::TRAINER))?;
        let has_ema = state.get("ema_updates").is_some_and(|updates| !updates.is_null());
        let is_averaged = state.get("model").is_some_and(|model| model == "ema");
        for (name, needed) in [(files::EMA, has_ema), (files::WEIGHTS, is_averaged)] {
            if needed && !manifest.names(name) {
                let path = self.path.join(files::MANIFEST);
                return Err(TrainError::broken(&path, format!("it does not name {name}")));
            }
        }
        Ok(())
    }

    /// Reads `state/trainer.json` alone.
    ///
    /// # Errors
    /// If it does not parse, or is of another version or step.
    pub fn state(&self) -> Result<TrainerState, TrainError> {
        let path = self.path.join(files::TRAINER);
        let state: serde_json::Value = files::read_json(&path)?;
        // Other versions have other fields, so the version is looked at before them.
        let number = |name: &str| state.get(name).and_then(serde_json::Value::as_u64);
        let (version, step) = (number("version"), number("step"));
        if (version, step) == (Some(STATE_VERSION.into()), Some(self.step)) {
            return files::parse_json(&path, state);
        }
        let shown = |number: Option<u64>| number.map_or("none".to_owned(), |n| n.to_string());
        let reason = format!(
            "it is of version {} and step {}, not of version {STATE_VERSION} and step {}",
            shown(version),
            shown(step),
            self.step
        );
        Err(TrainError::broken(&path, reason))
    }

    /// Puts the trained weights into `model` (those of `model/`, unless that holds their average; of a model with an
    /// adapter those of the adapter, as its other weights never change), the
    /// objectives' parameters and state into `objectives`, each with the name of its task, and returns the
    /// rest for [`crate::fit()`].
    ///
    /// # Errors
    /// If a file cannot be read or does not fit the model or an objective.
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
        let copies: Vec<String> = model.saved_aliases().into_iter().map(|(_, copy)| copy).collect();
        let same = |name: &str| match copies.iter().any(|copy| copy == name) {
            true => Renamed::Ignore,
            false => Renamed::To(name.strip_prefix(ADAPTER_PREFIX).unwrap_or(name).to_owned()),
        };
        // The frozen weights of a model with an adapter are those of its base model, which are in place.
        let params = model.params();
        let frozen = params.iter().map(|(name, _)| name).filter(|name| !params.is_saved(name));
        let allow = Allow { missing: frozen.map(str::to_owned).collect(), ..Allow::default() };
        load_params(model.params_mut(), &weights, same, &allow)?;
        self.restore_objectives(objectives)?;
        let optimizer = tensors(&self.path.join(files::OPTIMIZER))?;
        let ema = match state.ema_updates {
            Some(_) => Some(tensors(&self.path.join(files::EMA))?),
            None => None,
        };
        Ok(Restored { path: self.path.clone(), state, optimizer, ema })
    }

    fn restore_objectives(
        &self,
        objectives: &mut [(&str, &mut dyn Objective)],
    ) -> Result<(), TrainError> {
        let path = self.path.join(files::OBJECTIVE);
        let mut saved = tensors(&path)?;
        for (task, objective) in objectives.iter_mut() {
            for (name, target) in objective.params().into_iter().flat_map(|params| params.iter()) {
                let stored = saved.remove(&of_task(task, &format!("param.{name}")));
                let Some(tensor) = stored.filter(|tensor| tensor.size() == target.size()) else {
                    let name = of_task(task, name);
                    let reason = format!("it has nothing for the objective's parameter `{name}`");
                    return Err(TrainError::broken(&path, reason));
                };
                let mut target = target.shallow_clone();
                tch::no_grad(|| target.f_copy_(&tensor))?;
            }
            let prefix = of_task(task, "state.");
            let mut own = StateDict::new();
            for name in
                saved.keys().filter(|name| name.starts_with(&prefix)).cloned().collect::<Vec<_>>()
            {
                own.extend(
                    saved.remove(&name).map(|tensor| (name[prefix.len()..].to_owned(), tensor)),
                );
            }
            objective.load_state(own)?;
        }
        match saved.keys().next() {
            Some(name) => {
                let reason = format!("no objective of this run takes its `{name}`");
                Err(TrainError::broken(&path, reason))
            }
            None => Ok(()),
        }
    }
}

fn tensors(path: &Path) -> Result<StateDict, TrainError> {
    let weights = Weights::open(path)?;
    weights.names().map(|name| Ok((name.to_owned(), weights.tensor(name)?))).collect()
}
