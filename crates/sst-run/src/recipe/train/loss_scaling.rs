//! `[train.loss_scaling]`: what keeps gradients of fp16 in range. Its keys are those of [`sst_train::LossScaling`].

use serde_json::json;
use sst_train::{LossScaling, PrecisionChoice, setting};

use crate::recipe::limits::MOST_COUNT;
use crate::recipe::{Idle, Keys, RunConfig};

pub(in crate::recipe) const KEYS: Keys = Keys {
    limits: &[
        ("train.loss_scaling.init_scale", 1e-6, 1e30),
        ("train.loss_scaling.growth_factor", 1.0, 1e6),
        ("train.loss_scaling.backoff_factor", 0.0, 1.0),
        ("train.loss_scaling.growth_interval", 1.0, MOST_COUNT),
    ],
    idle,
    settings: &[
        (setting::INIT_SCALE, "train.loss_scaling.init_scale"),
        (setting::GROWTH_FACTOR, "train.loss_scaling.growth_factor"),
        (setting::BACKOFF_FACTOR, "train.loss_scaling.backoff_factor"),
        (setting::GROWTH_INTERVAL, "train.loss_scaling.growth_interval"),
    ],
    ..Keys::NONE
};

fn idle(config: &RunConfig) -> Vec<Idle> {
    if !matches!(config.train.precision, PrecisionChoice::Bf16 | PrecisionChoice::Fp32) {
        return Vec::new();
    }
    let LossScaling { init_scale, growth_factor, backoff_factor, growth_interval } =
        LossScaling::default();
    let why = "applies only to train.precision = \"fp16\"";
    vec![
        ("train.loss_scaling.init_scale".to_owned(), json!(init_scale), why),
        ("train.loss_scaling.growth_factor".to_owned(), json!(growth_factor), why),
        ("train.loss_scaling.backoff_factor".to_owned(), json!(backoff_factor), why),
        ("train.loss_scaling.growth_interval".to_owned(), json!(growth_interval), why),
    ]
}
