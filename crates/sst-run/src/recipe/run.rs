//! `[run]`: the name of a run, its folder, its seed and its device.

use serde::{Deserialize, Serialize};
use sst_train::setting;

use super::error::{Problem, require, require_folder};
use super::{Effect, Keys};
use crate::wanted_device::{self, MOST_THREADS};

/// `[run]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RunFile {
    name: Option<String>,
    dir: Option<String>,
    seed: Option<u64>,
    device: Option<String>,
    threads: Option<usize>,
}

/// `[run]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunSection {
    /// The name of the run folder. Default: the file name of the recipe without its extension.
    pub name: String,
    /// The parent of run folders. Default: `runs`.
    pub dir: String,
    /// The seed of all random numbers. Default: 0.
    pub seed: u64,
    /// `auto` (the default: a GPU if there is one), `cpu`, `cuda` or `cuda:N`.
    pub device: String,
    /// The number of threads of libtorch. 0, the default, leaves the number to libtorch.
    pub threads: usize,
}

pub(super) const KEYS: Keys = Keys {
    limits: &[("run.seed", 0.0, f64::MAX), ("run.threads", 0.0, MOST_THREADS as f64)],
    may_differ: &[
        ("run.dir", Effect::None),
        ("run.device", Effect::LastBits),
        ("run.threads", Effect::LastBits),
    ],
    settings: &[(setting::SEED, "run.seed"), (setting::FOLDER, "run.name")],
    ..Keys::NONE
};

impl RunFile {
    /// Fills in the defaults. `stem` is the name of a run that sets none.
    pub(super) fn fill(self, stem: &str) -> RunSection {
        RunSection {
            name: self.name.unwrap_or_else(|| stem.to_owned()),
            dir: self.dir.unwrap_or_else(|| "runs".to_owned()),
            seed: self.seed.unwrap_or(0),
            device: self.device.unwrap_or_else(|| "auto".to_owned()),
            threads: self.threads.unwrap_or(0),
        }
    }
}

impl RunSection {
    pub(super) fn check(&self) -> Result<(), Problem> {
        let name = &self.name;
        let plain = !name.is_empty()
            && !name.contains(['/', '\\'])
            && !name.contains(char::is_control)
            && !matches!(name.as_str(), "." | "..");
        require(plain, "run.name", format!("\"{name}\" is not a folder name"))?;
        wanted_device::parse(&self.device)
            .map_err(|message| Problem::new("run.device", message))?;
        require_folder("run.dir", &self.dir)
    }
}
