//! Steps are a pure function of the position, and every rule uses every row.

mod budget;
mod cut;
mod every;
mod fixed;
mod packed;
mod warm_up;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sst_data::batching::{Batching, Position, SampleRef, StepPlan};
use sst_data::rows::{Dataset, DatasetError};
use sst_data::{Example, Field, Key, SeqRng};

/// Rows of which only the lengths are used.
pub(crate) struct Rows {
    pub(crate) len: u64,
    pub(crate) length: Box<dyn Fn(u64) -> usize + Send + Sync>,
    /// How often a length was requested.
    pub(crate) asked: AtomicU64,
}

impl Rows {
    pub(crate) fn new(
        len: u64,
        length: impl Fn(u64) -> usize + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { len, length: Box::new(length), asked: AtomicU64::new(0) })
    }

    pub(crate) fn of(lengths: Vec<usize>) -> Arc<Self> {
        Self::new(lengths.len() as u64, move |index| lengths[index as usize])
    }

    /// Lengths as in corpora: lognormal with this mean and spread, from 3 to `most`.
    pub(crate) fn lognormal(len: u64, mean: f64, sigma: f64, most: usize) -> Arc<Self> {
        let mut rng = SeqRng::new(5, "lengths", 0, 0);
        let mut draw = || (mean.ln() - sigma * sigma / 2.0 + sigma * rng.normal()).exp();
        Self::of((0..len).map(|_| (draw() as usize).clamp(3, most)).collect())
    }
}

impl Dataset for Rows {
    fn len(&self) -> u64 {
        self.len
    }

    fn row_length(&self, index: u64) -> usize {
        self.asked.fetch_add(1, Ordering::Relaxed);
        (self.length)(index)
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        let ids = Field::Tokens(vec![index as u32; (self.length)(index)]);
        Ok(Example { epoch, ..Example::new(self.key(index), index, "input_ids", ids) })
    }

    fn key(&self, index: u64) -> Key {
        Key::new("rows.txt", index + 1)
    }
}

pub(crate) fn take(rule: &dyn Batching, from: Position, steps: usize) -> Vec<StepPlan> {
    rule.steps(from).take(steps).collect()
}

pub(crate) fn samples(plans: &[StepPlan]) -> Vec<SampleRef> {
    plans.iter().flat_map(|plan| plan.micro.concat()).collect()
}

/// The steps of the first `epochs` epochs of `len` rows.
fn epochs(rule: &dyn Batching, len: u64, epochs: u64) -> Vec<StepPlan> {
    rule.steps(Position::default()).take_while(|plan| plan.end.sample <= len * epochs).collect()
}

/// The Spearman correlation of `values` with their positions. Ties are ordered by position.
fn rank_correlation(values: &[f64]) -> f64 {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let n = values.len() as f64;
    let squares: f64 =
        (0..).zip(&order).map(|(rank, at)| (f64::from(rank) - *at as f64).powi(2)).sum();
    1.0 - 6.0 * squares / (n * (n * n - 1.0))
}
