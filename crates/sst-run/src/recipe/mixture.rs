//! `[mixture]`: how the task of a step is drawn.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sst_data::setting;

use super::duration::Duration;
use super::error::Problem;
use super::limits::MOST_REAL;
use super::{Keys, RunConfig};

/// How the task of a step is drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MixBy {
    /// In proportion to each task's `weight`.
    #[default]
    Weight,
    /// In proportion to rows ^ (1 / temperature).
    Temperature,
    /// By weights that change during the run.
    Schedule,
}

/// The weights from a step on. A task without a weight is not drawn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stage {
    /// The step from which the weights hold.
    pub from: Duration,
    /// The weights by task name.
    pub weights: BTreeMap<String, f64>,
}

/// `[mixture]` as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MixtureFile {
    by: MixBy,
    temperature: Option<f64>,
    schedule: Option<Vec<Stage>>,
}

/// `[mixture]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Mixing {
    /// How the task of a step is drawn. Default: by `weight`.
    pub by: MixBy,
    /// For `by = "temperature"`: at 1, the default, tasks are drawn in proportion to their rows; larger values even
    /// the tasks out.
    pub temperature: Option<f64>,
    /// For `by = "schedule"`: the weights from given steps on.
    pub schedule: Option<Vec<Stage>>,
}

pub(super) const KEYS: Keys = Keys {
    limits: &[("mixture.temperature", 0.0, 1e6), ("mixture.schedule.weights.*", 0.0, MOST_REAL)],
    durations,
    settings: &[
        (setting::MIXTURE_TEMPERATURE, "mixture.temperature"),
        (setting::MIXTURE_SCHEDULE, "mixture.schedule"),
    ],
    ..Keys::NONE
};

impl MixtureFile {
    /// Fills in the defaults. `known` holds the names of the tasks.
    pub(super) fn fill(self, known: &[&str]) -> Result<Mixing, Problem> {
        let Self { by, temperature, schedule } = self;
        let refuse = |key: &str, what: &str| {
            Err(Problem::new(key, format!("applies only to mixture.by = \"{what}\"")))
        };
        if temperature.is_some() && by != MixBy::Temperature {
            return refuse("mixture.temperature", "temperature");
        }
        if schedule.is_some() && by != MixBy::Schedule {
            return refuse("mixture.schedule", "schedule");
        }
        if by == MixBy::Schedule && schedule.is_none() {
            let message =
                "is missing: list { from = \"0step\", weights = { NAME = 1.0 } } and so on";
            return Err(Problem::new("mixture.schedule", message));
        }
        let mut named = schedule.iter().flatten().flat_map(|stage| stage.weights.keys());
        if let Some(name) = named.find(|name| !known.contains(&name.as_str())) {
            let message = format!("names \"{name}\", but there is no [tasks.{name}]");
            return Err(Problem::new("mixture.schedule", message));
        }
        let temperature = (by == MixBy::Temperature).then(|| temperature.unwrap_or(1.0));
        Ok(Mixing { by, temperature, schedule })
    }
}

fn durations(config: &RunConfig) -> Vec<(String, Duration)> {
    let mixture = config.tasks.mixture.iter();
    let stages = mixture.flat_map(|mixing| mixing.schedule.iter().flatten());
    stages.map(|stage| ("mixture.schedule".to_owned(), stage.from)).collect()
}
