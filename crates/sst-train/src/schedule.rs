//! Learning rate schedules as pure functions of the step. They equal those of transformers'
//! `get_scheduler`, so the first step of a warm-up has rate 0.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// The shape of a schedule after its warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleName {
    /// A straight line to the minimum at the last step.
    #[default]
    Linear,
    /// Half a cosine to the minimum at the last step (Loshchilov and Hutter 2017, "SGDR").
    Cosine,
    /// No change.
    Constant,
    /// One over the root of the step (Vaswani et al. 2017, section 5.3).
    InverseSqrt,
    /// Warm-up, stable, decay (Hu et al. 2024, "MiniCPM").
    Wsd,
}

/// How [`ScheduleName::Wsd`] decays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Decay {
    /// A straight line.
    #[default]
    #[serde(rename = "linear")]
    Linear,
    /// Half a cosine.
    #[serde(rename = "cosine")]
    Cosine,
    /// `1 - sqrt(progress)` (Hägele et al. 2024, "Scaling Laws and Compute-Optimal Training Beyond Fixed
    /// Training Durations").
    #[serde(rename = "1-sqrt")]
    OneMinusSqrt,
}

/// A schedule, with every duration in steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleConfig {
    /// The shape.
    pub name: ScheduleName,
    /// Steps of linear warm-up from 0.
    pub warmup_steps: u64,
    /// Steps of decay at the end; `wsd` only.
    pub decay_steps: u64,
    /// How `wsd` decays.
    pub decay: Decay,
    /// What decay ends at, as a share of the full rate; `linear`, `cosine` and `wsd` only.
    pub min_lr_factor: f64,
}

impl ScheduleConfig {
    /// The factor on the base rate at the update after `step` updates (so from 0), of `total_steps`.
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
                // Without a warm-up the timescale is 10,000 steps, as in transformers.
                let timescale = if warmup == 0 { 10_000 } else { warmup };
                ratio(step + timescale - warmup, timescale).powf(-0.5)
            }
            ScheduleName::Wsd => {
                let start = total_steps.saturating_sub(self.decay_steps).max(warmup);
                let progress = ratio(step.saturating_sub(start), self.decay_steps).min(1.0);
                self.above_minimum(match self.decay {
                    Decay::Linear => 1.0 - progress,
                    Decay::Cosine => half_cosine(progress),
                    Decay::OneMinusSqrt => 1.0 - progress.sqrt(),
                })
            }
        }
    }

    /// `factor` in `[0, 1]` moved to `[min_lr_factor, 1]`.
    fn above_minimum(&self, factor: f64) -> f64 {
        factor * (1.0 - self.min_lr_factor) + self.min_lr_factor
    }
}

fn half_cosine(progress: f64) -> f64 {
    0.5 * (1.0 + (PI * progress).cos())
}

fn ratio(numerator: u64, denominator: u64) -> f64 {
    numerator as f64 / denominator.max(1) as f64
}
