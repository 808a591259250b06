//! How fast a curriculum grows from the easiest rows to all rows.

use serde::{Deserialize, Serialize};

use super::CurriculumError;
use crate::setting;

/// The competence of each step: the share of the rows, counted from the easiest, that the step draws from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pacing {
    /// `min(1, t (1 - c0) / T + c0)` in step `t` (Platanios et al. 2019, equation 6): each step adds
    /// the same number of rows.
    Linear {
        /// The share in step 0, `c0`. The paper takes 0.01.
        start: f64,
        /// The number of steps `T` until all rows are drawn from.
        duration: u64,
    },
    /// `min(1, sqrt(t (1 - c0^2) / T + c0^2))` in step `t` (equation 7), the best in the
    /// paper: the more rows there are to draw from, the fewer are added, so that each new row is drawn about as often.
    Root {
        /// The share in step 0, `c0`.
        start: f64,
        /// The number of steps `T` until all rows are drawn from.
        duration: u64,
    },
    /// Shares from given steps on: `[(0, 0.1), (1000, 0.5), (2000, 1.0)]`.
    Steps(Vec<(u64, f64)>),
}

impl Pacing {
    /// Checks that the shares are valid and end with all rows.
    ///
    /// # Errors
    /// If a share is not in (0, 1], or the stages do not grow from step 0 to a share of 1.
    pub fn check(&self) -> Result<(), CurriculumError> {
        let check = |setting, share| match share {
            share if share > 0.0 && share <= 1.0 => Ok(()),
            share => Err(CurriculumError::BadShare { setting, share }),
        };
        let stages = match self {
            Self::Linear { start, .. } | Self::Root { start, .. } => {
                return check(setting::PACING_START, *start);
            }
            Self::Steps(stages) => stages,
        };
        stages.iter().try_for_each(|(_, share)| check(setting::PACING_STEPS, *share))?;
        let grow = |pair: &[(u64, f64)]| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1;
        match (stages.first(), stages.last()) {
            (None, _) | (_, None) => Err(CurriculumError::BadStages("is empty")),
            (Some((1.., _)), _) => Err(CurriculumError::BadStages("does not begin at step 0")),
            (_, Some((_, share))) if *share < 1.0 => {
                Err(CurriculumError::BadStages("does not end with all rows"))
            }
            _ if !stages.windows(2).all(grow) => Err(CurriculumError::BadStages("does not grow")),
            _ => Ok(()),
        }
    }

    /// The competence in step `step` (from 0), in (0, 1].
    pub fn competence(&self, step: u64) -> f64 {
        let passed = |duration: u64| step as f64 / duration as f64;
        match self {
            _ if step >= self.duration() => 1.0,
            Self::Linear { start, duration } => {
                (passed(*duration) * (1.0 - start) + start).min(1.0)
            }
            Self::Root { start, duration } => {
                let square = start * start;
                (passed(*duration) * (1.0 - square) + square).sqrt().min(1.0)
            }
            Self::Steps(stages) => {
                let begun = stages.iter().take_while(|(from, _)| *from <= step);
                begun.last().map_or(1.0, |(_, share)| *share)
            }
        }
    }

    /// The first step whose competence is 1: when the ordinary epochs begin.
    pub fn duration(&self) -> u64 {
        match self {
            Self::Linear { start, .. } | Self::Root { start, .. } if *start >= 1.0 => 0,
            Self::Linear { duration, .. } | Self::Root { duration, .. } => *duration,
            Self::Steps(stages) => {
                stages.iter().find(|(_, share)| *share >= 1.0).map_or(0, |(from, _)| *from)
            }
        }
    }
}
