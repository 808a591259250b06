//! `[train.ema]`: a moving average of the weights. Its keys are those of [`sst_train::EmaConfig`].

use sst_train::{EmaConfig, setting};

use crate::recipe::Keys;
use crate::recipe::error::{Problem, require};

pub(in crate::recipe) const KEYS: Keys = Keys {
    settings: &[(setting::EMA, "train.ema"), (setting::EMA_DECAY, "train.ema.decay")],
    ..Keys::NONE
};

pub(super) fn check(ema: Option<&EmaConfig>) -> Result<(), Problem> {
    let Some(EmaConfig { decay, .. }) = ema else { return Ok(()) };
    let message = format!("is {decay} and must be at least 0 and below 1");
    require((0.0..1.0).contains(decay), "train.ema.decay", message)
}
