//! Early stopping: a run ends when a metric has not improved for some evaluations.

use serde::{Deserialize, Serialize};

use crate::policy::Direction;

/// When a run ends early.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// The number of evaluations in a row without an improvement after which the run ends.
    pub patience: u64,
    /// The least change of the metric that counts as an improvement.
    #[serde(default)]
    pub min_delta: f64,
}

/// The evaluations of a run so far, in a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStoppingState {
    /// The best value of the metric.
    pub best: f64,
    /// The number of evaluations since then.
    pub since: u64,
}

impl EarlyStoppingState {
    /// The state after an evaluation with this value of the metric. A value that is not finite is no improvement.
    pub(crate) fn after(
        state: Option<Self>,
        value: f64,
        direction: Direction,
        min_delta: f64,
    ) -> Self {
        let Some(Self { best, since }) = state else {
            let worst = match direction {
                Direction::Lower => f64::MAX,
                Direction::Higher => f64::MIN,
            };
            return Self { best: if value.is_finite() { value } else { worst }, since: 0 };
        };
        let gain = match direction {
            Direction::Lower => best - value,
            Direction::Higher => value - best,
        };
        match value.is_finite() && gain > min_delta {
            true => Self { best: value, since: 0 },
            false => Self { best, since: since + 1 },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evaluations_without_an_improvement_are_counted() {
        let after = |values: &[f64], direction, min_delta| {
            let mut state = None;
            for value in values {
                state = Some(EarlyStoppingState::after(state, *value, direction, min_delta));
            }
            let state = state.unwrap();
            (state.best, state.since)
        };
        use Direction::{Higher, Lower};
        assert_eq!(after(&[0.5, 0.4, 0.45, 0.41], Lower, 0.0), (0.4, 2));
        assert_eq!(after(&[0.5, 0.4, 0.4], Lower, 0.0), (0.4, 1));
        assert_eq!(after(&[0.5, 0.6, 0.61], Higher, 0.05), (0.6, 1));
        assert_eq!(after(&[0.5, f64::NAN, 0.6], Higher, 0.0), (0.6, 0));
        assert_eq!(after(&[f64::NAN, 0.6], Lower, 0.0), (0.6, 0));
    }
}
