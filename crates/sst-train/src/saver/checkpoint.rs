//! A checkpoint on disk, read back.

use std::path::{Path, PathBuf};

use sst_core::checkpoint::{Allow, Renamed, Weights, load_params};
use sst_core::objective::StateDict;
use sst_core::{Model, Objective};

use super::files;
use super::manifest::{Depth, Manifest};
use crate::error::TrainError;
use crate::state::{Exported, Restored, STATE_VERSION, TrainerState};

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
        Manifest::verify(&self.path, self.step, depth)
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

    /// Puts the trained weights into `model` (those of `model/`, unless that holds their average), the
    /// objective's parameters and state into `objective`, and returns the rest for [`crate::fit()`].
    ///
    /// # Errors
    /// If a file cannot be read or does not fit the model or the objective.
    pub fn restore(
        &self,
        model: &mut dyn Model,
        objective: &mut dyn Objective,
    ) -> Result<Restored, TrainError> {
        let state = self.state()?;
        let weights = match state.model {
            Exported::Raw => Weights::open(&self.model())?,
            Exported::Ema => Weights::open(&self.path.join(files::WEIGHTS))?,
        };
        let same = |name: &str| Renamed::To(name.to_owned());
        load_params(model.params_mut(), &weights, same, &Allow::default())?;
        self.restore_objective(objective)?;
        let optimizer = tensors(&self.path.join(files::OPTIMIZER))?;
        let ema = match state.ema_updates {
            Some(_) => Some(tensors(&self.path.join(files::EMA))?),
            None => None,
        };
        Ok(Restored { path: self.path.clone(), state, optimizer, ema })
    }

    fn restore_objective(&self, objective: &mut dyn Objective) -> Result<(), TrainError> {
        let path = self.path.join(files::OBJECTIVE);
        let mut own = StateDict::new();
        let mut left: Vec<String> =
            objective.params().iter().flat_map(|p| p.iter()).map(|(n, _)| n.to_owned()).collect();
        for (name, tensor) in tensors(&path)? {
            if let Some(name) = name.strip_prefix("state.") {
                own.insert(name.to_owned(), tensor);
                continue;
            }
            let name = name.strip_prefix("param.").unwrap_or(&name);
            let target = objective.params().and_then(|params| params.get(name));
            let Some(target) = target.filter(|target| target.size() == tensor.size()) else {
                let reason = format!("no parameter of the objective takes its `{name}`");
                return Err(TrainError::broken(&path, reason));
            };
            let mut target = target.shallow_clone();
            tch::no_grad(|| target.f_copy_(&tensor))?;
            left.retain(|other| other != name);
        }
        match left.first() {
            Some(name) => {
                let reason = format!("it lacks the objective's parameter `{name}`");
                Err(TrainError::broken(&path, reason))
            }
            None => Ok(objective.load_state(own)?),
        }
    }
}

fn tensors(path: &Path) -> Result<StateDict, TrainError> {
    let weights = Weights::open(path)?;
    weights.names().map(|name| Ok((name.to_owned(), weights.tensor(name)?))).collect()
}
