//! `[train.ema]`: a moving average of the weights. Its keys are those of [`sst_train::EmaConfig`].

use sst_train::setting;

use crate::recipe::Keys;

pub(in crate::recipe) const KEYS: Keys = Keys {
    limits: &[("train.ema.decay", 0.0, 1.0)],
    settings: &[(setting::EMA, "train.ema"), (setting::EMA_DECAY, "train.ema.decay")],
    ..Keys::NONE
};
