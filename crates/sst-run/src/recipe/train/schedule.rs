//! `[train.schedule]`: the learning rate over the run.

use serde::{Deserialize, Serialize};
use serde_json::json;
use sst_train::{Decay, ScheduleConfig, ScheduleName};

use crate::recipe::duration::{Duration, Scale};
use crate::recipe::error::{Problem, require};
use crate::recipe::{Idle, Keys, RunConfig};

/// `[train.schedule]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ScheduleFile {
    name: Option<ScheduleName>,
    warmup: Option<Duration>,
    cooldown: Option<Duration>,
    cooldown_shape: Option<Decay>,
    min_lr_factor: Option<f64>,
}

/// `[train.schedule]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Schedule {
    /// The shape of the decay. Default: `linear`.
    pub name: ScheduleName,
    /// How long the learning rate grows from 0. Default: 0.06 of the run.
    pub warmup: Duration,
    /// For `wsd`: how long the learning rate decays at the end. Default: a tenth of the run.
    pub cooldown: Duration,
    /// For `wsd`: the shape of that decay. Default: `linear`.
    pub cooldown_shape: Decay,
    /// The final learning rate as a fraction of the highest. Default: 0.
    pub min_lr_factor: f64,
}

pub(in crate::recipe) const KEYS: Keys =
    Keys { limits: &[("train.schedule.min_lr_factor", 0.0, 1.0)], durations, idle, ..Keys::NONE };

impl ScheduleFile {
    pub(super) fn fill(self) -> Schedule {
        let name = self.name.unwrap_or(ScheduleName::Linear);
        let wsd = name == ScheduleName::Wsd;
        let cooldown = if wsd { Duration::Run(0.1) } else { Duration::ZERO };
        Schedule {
            name,
            warmup: self.warmup.unwrap_or(Duration::Run(0.06)),
            cooldown: self.cooldown.unwrap_or(cooldown),
            cooldown_shape: self.cooldown_shape.unwrap_or(Decay::Linear),
            min_lr_factor: self.min_lr_factor.unwrap_or(0.0),
        }
    }
}

impl Schedule {
    /// The schedule of this name, with the default of every other key.
    pub fn named(name: ScheduleName) -> Self {
        ScheduleFile { name: Some(name), ..ScheduleFile::default() }.fill()
    }

    /// Checks the keys for a run of this length.
    pub(super) fn check(&self, steps: Duration) -> Result<(), Problem> {
        let wsd = self.name == ScheduleName::Wsd;
        let message = "applies only to name = \"wsd\"; the other schedules decay over the whole run or not at all";
        require(wsd || self.cooldown.is_zero(), "train.schedule.cooldown", message)?;
        let factor = (0.0..=1.0).contains(&self.min_lr_factor);
        require(factor, "train.schedule.min_lr_factor", "must be from 0 to 1")?;
        if let (Duration::Steps(warmup), Duration::Steps(steps)) = (self.warmup, steps) {
            let message = format!("is {warmup} steps, more than train.steps ({steps})");
            require(warmup <= steps, "train.schedule.warmup", message)?;
        }
        Ok(())
    }

    /// Converts all durations to steps.
    pub(super) fn in_steps(&self, scale: Scale, total: u64) -> ScheduleConfig {
        ScheduleConfig {
            name: self.name,
            warmup_steps: self.warmup.steps(scale, total),
            decay_steps: self.cooldown.steps(scale, total),
            decay: self.cooldown_shape,
            min_lr_factor: self.min_lr_factor,
        }
    }
}

fn durations(config: &RunConfig) -> Vec<(String, Duration)> {
    let schedule = &config.train.schedule;
    vec![
        ("train.schedule.warmup".to_owned(), schedule.warmup),
        ("train.schedule.cooldown".to_owned(), schedule.cooldown),
    ]
}

fn idle(config: &RunConfig) -> Vec<Idle> {
    let mut found = Vec::<Idle>::new();
    let name = config.train.schedule.name;
    if name != ScheduleName::Wsd {
        found.push((
            "train.schedule.cooldown_shape".to_owned(),
            json!("linear"),
            "applies only to name = \"wsd\"",
        ));
    }
    if name == ScheduleName::Constant {
        found.push((
            "train.schedule.min_lr_factor".to_owned(),
            json!(0.0),
            "the learning rate does not decay",
        ));
    }
    found
}
