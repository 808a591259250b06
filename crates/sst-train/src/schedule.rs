//! Learning rate schedules as pure functions of the step. They are those of `get_scheduler` in transformers, so the
//! first step of a warm-up has a learning rate of 0.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// The shape of a schedule after its warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleName {
    /// Linear decay to the minimum, which it reaches at the end of the run.
    #[default]
    Linear,
    /// Decay along half a period of a cosine to the minimum, which it reaches at the end of the run (Loshchilov and
    /// Hutter 2017, "SGDR").
    Cosine,
    /// A constant learning rate.
    Constant,
    /// A learning rate proportional to `1 / sqrt(step)` (Vaswani et al. 2017, section 5.3).
    InverseSqrt,
    /// Warm-up, stable, decay: a constant learning rate with a decay in the last steps (Hu et al. 2024, "MiniCPM").
    Wsd,
}

/// The shape of the decay of [`ScheduleName::Wsd`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decay {
    /// A linear decay.
    #[default]
    #[serde(rename = "linear")]
    Linear,
    /// Half a period of a cosine.
    #[serde(rename = "cosine")]
    Cosine,
    /// `1 - sqrt(p)`, where p goes from 0 to 1 during the decay (Hägele et al. 2024, "Scaling Laws and Compute-Optimal
    /// Training Beyond Fixed Training Durations").
    #[serde(rename = "1-sqrt")]
    OneMinusSqrt,
}

/// The settings of a schedule, with every duration in steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// The shape after the warm-up.
    pub name: ScheduleName,
    /// The number of steps of the warm-up, in which the learning rate rises linearly from 0.
    pub warmup_steps: u64,
    /// The number of steps of the decay at the end of the run. For `wsd` only.
    pub decay_steps: u64,
    /// The shape of the decay. For `wsd` only.
    pub decay: Decay,
    /// The learning rate at the end of the decay, as a fraction of the peak. For `linear`, `cosine` and `wsd` only.
    pub min_lr_factor: f64,
}

impl ScheduleConfig {
    /// The factor on the peak learning rate in step `step`, counted from 0, of a run of `total_steps` steps.
    pub fn lr_factor(&self, step: u64, total_steps: u64) -> f64 {
        let warmup = self.warmup_steps;
        if step < warmup {
            return ratio(step, warmup);
        }
        let progress = ratio(step - warmup, total_steps.saturating_sub(warmup)).min(1.0);
        match self.name {
            ScheduleName::Constant => 1.0,
            ScheduleName::Linear => self.above_minimum(1.0 - progress),
            ScheduleName::Cosine => self.above_minimum(half_cosine(progress)),
            ScheduleName::InverseSqrt => {
                // transformers uses a timescale of 10,000 steps if there is no warm-up.
                let timescale = if warmup == 0 { 10_000 } else { warmup };
                ratio(step + timescale - warmup, timescale).powf(-0.5)
            }
            ScheduleName::Wsd => {
                let start = total_steps.saturating_sub(self.decay_steps).max(warmup);
                let decay_progress = ratio(step.saturating_sub(start), self.decay_steps).min(1.0);
                self.above_minimum(match self.decay {
                    Decay::Linear => 1.0 - decay_progress,
                    Decay::Cosine => half_cosine(decay_progress),
                    Decay::OneMinusSqrt => 1.0 - decay_progress.sqrt(),
                })
            }
        }
    }

    /// Maps `factor` linearly from `[0, 1]` to `[min_lr_factor, 1]`.
    fn above_minimum(&self, factor: f64) -> f64 {
        factor * (1.0 - self.min_lr_factor) + self.min_lr_factor
    }
}

/// Falls from 1 to 0 along half a period of a cosine, as `progress` goes from 0 to 1.
fn half_cosine(progress: f64) -> f64 {
    0.5 * (1.0 + (PI * progress).cos())
}

/// The ratio of two numbers of steps. A denominator of 0 counts as 1.
fn ratio(numerator: u64, denominator: u64) -> f64 {
    numerator as f64 / denominator.max(1) as f64
}
