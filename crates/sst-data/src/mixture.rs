//! Which of several tasks a step is of, drawn by weight.

use std::ops::Range;

use crate::rng::SeqRng;

/// Weights that cannot be drawn from.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum MixtureError {
    /// No tasks.
    #[error("tasks is empty: give one task at least")]
    NoTasks,
    /// A weight that is none.
    #[error("the weight of task {task} is {weight}: it must be finite and not negative")]
    BadWeight {
        /// The task, from 0.
        task: usize,
        /// Its weight.
        weight: f64,
    },
    /// No weight at all.
    #[error("the weight of every task is 0: give one task a weight above it")]
    AllZero,
    /// A temperature that is none.
    #[error("mixture.temperature is {0}: it must be above 0 (1 draws by size, more evens it out)")]
    BadTemperature(f64),
    /// Stages that do not follow each other.
    #[error("mixture.schedule {0}: list weights from step 0 on, the steps growing")]
    BadSchedule(&'static str),
}

/// A mixture of tasks: each step is of one, drawn by the weights of that step.
///
/// A step's task is a keyed draw, so it is found for any step at once and no state is kept. Over many
/// steps the shares are those of the weights, with the spread of independent draws.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    /// From which step on which weights hold, those of task 0 to `i` added up and the last being 1.
    stages: Vec<(u64, Vec<f64>)>,
}

impl Mixture {
    /// One task, in every step.
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

    /// Tasks in proportion to `size^(1 / temperature)`: by size at 1, ever more evenly above, so that
    /// small tasks are seen more often than their size says (multilingual BERT, Devlin et al. 2019,
    /// with an exponent of 0.7; T5, Raffel et al. 2020, section 3.5.2).
    ///
    /// # Errors
    /// If there are no sizes, all are 0, or the temperature is not above 0.
    pub fn temperature(sizes: &[u64], temperature: f64) -> Result<Self, MixtureError> {
        if temperature.is_nan() || temperature <= 0.0 {
            return Err(MixtureError::BadTemperature(temperature));
        }
        // Shares first: a size to the power of 1/T may be too large for a number where T is small.
        let largest = sizes.iter().copied().max().unwrap_or(0).max(1) as f64;
        let weight = |size: &u64| match size {
            0 => 0.0,
            size => (*size as f64 / largest).powf(temperature.recip()),
        };
        Self::weights(&sizes.iter().map(weight).collect::<Vec<_>>())
    }

    /// Tasks in proportion to weights that change: each list holds from its step on.
    ///
    /// # Errors
    /// If the first stage is not at step 0, the steps do not grow, the stages differ in their number
    /// of tasks, or a list of weights is none.
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

    /// How many of the steps in `steps` are of each task.
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

/// The probabilities up to and with each task; exactly 1 from the last task with a weight on.
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
    // Relative to the largest, so that the sum is finite; and summed in the same order, so that the
    // last quotient is 1 exactly.
    let total: f64 = weights.iter().map(|weight| weight / largest).sum();
    let mut sum = 0.0;
    let bound = |weight: &f64| {
        sum += weight / largest;
        sum / total
    };
    Ok(weights.iter().map(bound).collect())
}
