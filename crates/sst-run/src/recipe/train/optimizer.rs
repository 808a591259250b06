//! `[train.optimizer]`: the optimizer. Its keys are those of [`OptimizerConfig`].

use serde_json::json;
use sst_train::{OptimizerConfig, OptimizerName, setting};

use crate::recipe::error::{Problem, require};
use crate::recipe::{Idle, Keys, RunConfig};

pub(in crate::recipe) const KEYS: Keys = Keys {
    limits: &[
        ("train.optimizer.lr", 0.0, 1e6),
        ("train.optimizer.betas", 0.0, 1.0),
        ("train.optimizer.eps", 0.0, 1e3),
        ("train.optimizer.weight_decay", 0.0, 1e3),
        ("train.optimizer.momentum", 0.0, 1.0),
        ("train.optimizer.iterations", 1.0, 100.0),
        ("train.optimizer.layer_decay", 0.0, 1.0),
    ],
    idle,
    settings: &[(setting::LR, "train.optimizer.lr")],
    ..Keys::NONE
};

pub(super) fn check(optimizer: &OptimizerConfig) -> Result<(), Problem> {
    require(optimizer.lr > 0.0, "train.optimizer.lr", "must be above 0")?;
    let betas = optimizer.betas.iter().all(|beta| (0.0..1.0).contains(beta));
    require(betas, "train.optimizer.betas", "must each be at least 0 and below 1")?;
    require(optimizer.eps > 0.0, "train.optimizer.eps", "must be above 0")?;
    let momentum = (0.0..1.0).contains(&optimizer.momentum);
    require(momentum, "train.optimizer.momentum", "must be at least 0 and below 1")?;
    require(optimizer.layer_decay > 0.0, "train.optimizer.layer_decay", "must be above 0")?;
    require(optimizer.weight_decay >= 0.0, "train.optimizer.weight_decay", "must be at least 0")
}

fn idle(config: &RunConfig) -> Vec<Idle> {
    if config.train.optimizer.name != OptimizerName::AdamW {
        return Vec::new();
    }
    let default = OptimizerConfig::default();
    let why = "applies only to name = \"muon\"";
    vec![
        ("train.optimizer.momentum".to_owned(), json!(default.momentum), why),
        ("train.optimizer.iterations".to_owned(), json!(default.iterations), why),
    ]
}
