//! `[curriculum]`: training starts with easy rows and adds harder ones.

use serde::{Deserialize, Serialize};
use sst_data::curriculum::{Difficulty, Pacing};
use sst_data::setting;

use super::Keys;
use super::duration::{Duration, Scale};
use super::error::Problem;
use super::limits::MOST_STEPS;

/// How the fraction of rows in use grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PacingName {
    /// The same number of rows is added in each step.
    Linear,
    /// The more rows are in use, the fewer are added per step (Platanios et al. 2019).
    #[default]
    Root,
    /// The fractions are given for some steps.
    Steps,
}

/// `[curriculum]` as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CurriculumFile {
    difficulty: Difficulty,
    #[serde(default)]
    pacing: PacingName,
    start: Option<f64>,
    duration: Option<Duration>,
    steps: Option<Vec<(u64, f64)>>,
}

/// `[curriculum]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Curriculum {
    /// The measure of difficulty. It has no default.
    pub difficulty: Difficulty,
    /// How the fraction of rows in use grows. Default: `root`.
    pub pacing: PacingName,
    /// The fraction of rows in use at the first step, for `linear` and `root`. Default: 0.1.
    pub start: Option<f64>,
    /// When all rows are in use, for `linear` and `root`. Default: after half of the run.
    pub duration: Option<Duration>,
    /// For `steps`: pairs of a step and the fraction of rows in use from there on.
    pub steps: Option<Vec<(u64, f64)>>,
}

pub(super) const KEYS: Keys = Keys {
    limits: &[("curriculum.start", 0.0, 1.0), ("curriculum.steps", 0.0, MOST_STEPS as f64)],
    durations: |config| {
        let tasks = config.tasks.list.iter();
        let found = tasks.filter_map(|task| {
            let duration = task.curriculum.as_ref()?.duration?;
            Some((task.key("curriculum.duration"), duration))
        });
        found.collect()
    },
    settings: &[
        (setting::PACING_START, "curriculum.start"),
        (setting::PACING_STEPS, "curriculum.steps"),
    ],
    ..Keys::NONE
};

impl CurriculumFile {
    /// Fills in the defaults: a tenth of the rows at the start, all of them after half of the run.
    pub(super) fn fill(self, section: &str) -> Result<Curriculum, Problem> {
        let Self { difficulty, pacing, start, duration, steps } = self;
        let staged = pacing == PacingName::Steps;
        let refuse = |key: &str, what: &str| {
            let message = format!("applies only to pacing = {what}");
            Err(Problem::new(&format!("{section}.{key}"), message))
        };
        match (staged, start, duration, &steps) {
            (true, Some(_), _, _) => return refuse("start", "\"linear\" or \"root\""),
            (true, _, Some(_), _) => return refuse("duration", "\"linear\" or \"root\""),
            (false, _, _, Some(_)) => return refuse("steps", "\"steps\""),
            (true, _, _, None) => {
                let message =
                    "is missing: list pairs (step, fraction), as in [[0, 0.2], [1000, 1.0]]";
                return Err(Problem::new(&format!("{section}.steps"), message));
            }
            _ => {}
        }
        Ok(Curriculum {
            difficulty,
            pacing,
            start: (!staged).then(|| start.unwrap_or(0.1)),
            duration: (!staged).then(|| duration.unwrap_or(Duration::Run(0.5))),
            steps,
        })
    }
}

impl Curriculum {
    /// The pacing of a run of `total` steps.
    pub(crate) fn pacing(&self, scale: Scale, total: u64) -> Pacing {
        let start = self.start.unwrap_or(1.0);
        let duration = self.duration.map_or(0, |duration| duration.steps(scale, total));
        match self.pacing {
            PacingName::Linear => Pacing::Linear { start, duration },
            PacingName::Root => Pacing::Root { start, duration },
            PacingName::Steps => Pacing::Steps(self.steps.clone().unwrap_or_default()),
        }
    }
}
