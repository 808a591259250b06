//! Draws, by weight, which of several tasks each step belongs to.

use std::ops::Range;

use crate::rng::SeqRng;
use crate::setting::{self, NamesSettings, Setting};

/// Why a mixture cannot be made.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum MixtureError {
    /// No tasks.
    #[error("tasks is empty: give one task at least")]
    NoTasks,
    /// A weight is negative or not finite.
    #[error("the weight of task {task} is {weight}: it must be finite and not negative")]
    BadWeight {
        /// The task, from 0.
        task: usize,
        /// Its weight.
        weight: f64,
    },
    /// The weight of every task is 0.
    #[error("the weight of every task is 0: give one task a weight above it")]
    AllZero,
    /// The temperature is not above 0.
    #[error(
        "`temperature` is {0}: it must be above 0 (1 draws by size, larger values draw more evenly)"
    )]
    BadTemperature(f64),
    /// The stages of a schedule are not in order, or do not fit together.
    #[error("the schedule {0}: list weights from step 0 on, the steps growing")]
    BadSchedule(&'static str),
}

impl NamesSettings for MixtureError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::NoTasks => Vec::new(),
            Self::BadWeight { .. } | Self::AllZero => vec![setting::MIXTURE_WEIGHTS],
            Self::BadTemperature(_) => vec![setting::MIXTURE_TEMPERATURE],
            Self::BadSchedule(_) => vec![setting::MIXTURE_SCHEDULE],
        }
    }
}

/// A mixture of tasks. Each step trains one task, which is drawn by the weights of that step.
///
/// The draw is keyed by the step, so the task of any step is known without state. Draws are independent:
/// over many steps the share of each task approaches its weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// For each stage, its first step and the cumulative probabilities of the tasks, of which the last is 1.
    stages: Vec<(u64, Vec<f64>)>,
}

impl Mixture {
    /// A single task, which every step trains.
    pub fn single() -> Self {
        Self { stages: vec![(0, vec![1.0])] }
    }

    /// Tasks in proportion to `weights`, in every step.
    ///
    /// # Errors
    /// If there are none, one is negative or not finite, or all are 0.
    pub fn weights(weights: &[f64]) -> Result<Self, MixtureError> {
        Ok(Self { stages: vec![(0, cumulative(weights)?)] })
    }

    /// Tasks in proportion to `size^(1 / temperature)`. A temperature of 1 draws by size; a higher one draws
    /// more evenly, so that small tasks are seen more often than their size says (multilingual BERT, Devlin et al. 2019,
    /// with an exponent of 0.7; T5, Raffel et al. 2020, section 3.5.2).
    ///
    /// # Errors
    /// If there are no sizes, all are 0, or the temperature is not above 0.
    pub fn temperature(sizes: &[u64], temperature: f64) -> Result<Self, MixtureError> {
        if temperature.is_nan() || temperature <= 0.0 {
            return Err(MixtureError::BadTemperature(temperature));
        }
        // Sizes are divided by the largest first, because size^(1/T) may overflow for a small T.
        let largest = sizes.iter().copied().max().unwrap_or(0).max(1) as f64;
        let weight = |size: &u64| match size {
            0 => 0.0,
            size => (*size as f64 / largest).powf(temperature.recip()),
        };
        Self::weights(&sizes.iter().map(weight).collect::<Vec<_>>())
    }

    /// Tasks in proportion to weights that change over time: each list of weights applies from its step on.
    ///
    /// # Errors
    /// If the first stage is not at step 0, the steps do not grow, the stages differ in their number
    /// of tasks, or a list of weights is invalid.
    pub fn schedule(stages: &[(u64, Vec<f64>)]) -> Result<Self, MixtureError> {
        let (from, first) = stages.first().ok_or(MixtureError::NoTasks)?;
        let reason = match () {
            () if *from != 0 => Some("does not begin at step 0"),
            () if !stages.is_sorted_by(|a, b| a.0 < b.0) => Some("has steps that do not grow"),
            () if stages.iter().any(|(_, weights)| weights.len() != first.len()) => {
                Some("has stages with different numbers of tasks")
            }
            () => None,
        };
        match reason {
            Some(reason) => Err(MixtureError::BadSchedule(reason)),
            None => {
                let stage = |(from, weights): &(u64, Vec<f64>)| Ok((*from, cumulative(weights)?));
                Ok(Self { stages: stages.iter().map(stage).collect::<Result<_, _>>()? })
            }
        }
    }

    /// The number of tasks.
    pub fn num_tasks(&self) -> usize {
        self.stages.first().map_or(0, |(_, bounds)| bounds.len())
    }

    /// The probability of each task in step `step` (from 0).
    pub fn probabilities(&self, step: u64) -> Vec<f64> {
        let bounds = self.bounds(step);
        let starts = std::iter::once(&0.0).chain(bounds);
        bounds.iter().zip(starts).map(|(end, start)| end - start).collect()
    }

    /// The task of step `step` (from 0), from 0.
    pub fn task(&self, seed: u64, step: u64) -> usize {
        let drawn = SeqRng::new(seed, "mixture.task", step, 0).uniform();
        // The last bound is 1, and so above any draw.
        self.bounds(step).partition_point(|bound| *bound <= drawn)
    }

    /// The number of steps in `steps` that train each task.
    pub fn counts(&self, seed: u64, steps: Range<u64>) -> Vec<u64> {
        let mut counts = vec![0; self.num_tasks()];
        for step in steps {
            counts[self.task(seed, step)] += 1;
        }
        counts
    }

    fn bounds(&self, step: u64) -> &[f64] {
        let begun = self.stages.partition_point(|(from, _)| *from <= step);
        self.stages.get(begun.wrapping_sub(1)).map_or(&[], |(_, bounds)| bounds)
    }
}

/// The cumulative probabilities of the tasks. They are exactly 1 from the last task with a weight above 0 on.
fn cumulative(weights: &[f64]) -> Result<Vec<f64>, MixtureError> {
    if weights.is_empty() {
        return Err(MixtureError::NoTasks);
    }
    let bad = |(_, weight): &(usize, &f64)| !weight.is_finite() || **weight < 0.0;
    if let Some((task, weight)) = weights.iter().enumerate().find(bad) {
        return Err(MixtureError::BadWeight { task, weight: *weight });
    }
    let largest = weights.iter().copied().fold(0.0, f64::max);
    if largest == 0.0 {
        return Err(MixtureError::AllZero);
    }
    // Weights are divided by the largest, so that their sum is finite. Both sums add in the same order, so
    // that the last quotient is exactly 1.
    let total: f64 = weights.iter().map(|weight| weight / largest).sum();
    let mut sum = 0.0;
    let bound = |weight: &f64| {
        sum += weight / largest;
        sum / total
    };
    Ok(weights.iter().map(bound).collect())
}
