//! `[train.early_stopping]`: the run ends when the metric of `[train.keep]` has not improved. Its keys are those of
//! [`sst_train::EarlyStopping`].

use sst_train::{EarlyStopping, setting};

use crate::recipe::error::{Problem, require};
use crate::recipe::limits::MOST_COUNT;
use crate::recipe::{Keys, RunConfig};

pub(in crate::recipe) const KEYS: Keys = Keys {
    limits: &[
        ("train.early_stopping.patience", 1.0, MOST_COUNT),
        ("train.early_stopping.min_delta", 0.0, 1e9),
    ],
    settings: &[(setting::EARLY_STOPPING, "train.early_stopping")],
    ..Keys::NONE
};

/// Checks that the run evaluates, and more often than once.
pub(in crate::recipe) fn check(config: &RunConfig) -> Result<(), Problem> {
    let Some(EarlyStopping { .. }) = config.train.early_stopping else { return Ok(()) };
    let held_out = config.tasks.list.iter().any(|task| task.data.validation > 0.0);
    let message = "needs held-out data: set data.validation above 0";
    require(held_out, "train.early_stopping", message)?;
    let message = "needs evaluations before the last step: set train.eval_every";
    require(!config.train.eval_every.is_zero(), "train.early_stopping", message)
}
