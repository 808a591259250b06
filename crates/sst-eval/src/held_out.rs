//! The objective's own loss on data it was not trained on.

use std::collections::BTreeMap;
use std::sync::Arc;

use sst_core::{Batch, Evaluator, Forward, Metrics, Model, Objective, StepContext};
use sst_data::Units;
use sst_data::rows::Dataset;
use tch::{Device, Kind};

use crate::error::{EvalError, into_core};
use crate::report::Report;
use crate::rows;

/// The mean loss of any objective, and each of its further sums as a mean (`correct` is then the share
/// of units that were right). The masks are drawn once and for all, so figures of two steps compare.
pub struct HeldOut {
    objective: Box<dyn Objective>,
    dataset: Arc<dyn Dataset>,
    batch_size: usize,
    device: Device,
    seed: u64,
}

impl HeldOut {
    /// Measures `objective` on the rows of `dataset`, `batch_size` at a time, with the masks of `seed`.
    pub fn new(
        objective: Box<dyn Objective>,
        dataset: Arc<dyn Dataset>,
        batch_size: usize,
        device: Device,
        seed: u64,
    ) -> Self {
        Self { objective, dataset, batch_size, device, seed }
    }

    /// `loss` and the means of the objective's sums; counts `rows` and `units`.
    ///
    /// # Errors
    /// If a row cannot be read, libtorch fails, or there is no unit to measure.
    pub fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let context = StepContext { step: 0, micro: 0, forward: Forward::EVAL };
        let collate = self.objective.collate();
        let (mut units, mut batches) = (0, 0_u64);
        let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
        // A model without a text encoder gets no token ids that it might not know.
        let known = model.vocab_size().unwrap_or(usize::MAX);
        for host in rows::batches(&*self.dataset, collate, self.batch_size, known, self.seed) {
            let host = host?;
            let weight = match host.units {
                Units::Count(0) => continue,
                Units::Count(count) => count,
                // A loss over the whole batch is a mean by itself; each batch counts as one.
                Units::WholeBatch => 1,
            };
            let batch = Batch::from_host(&host, self.device)?;
            let parts = tch::no_grad(|| self.objective.loss(model, &batch, &context))?;
            units += weight;
            batches += 1;
            for (name, sum) in parts.sums.iter().chain(&[("loss", parts.loss)]) {
                let sum = f64::try_from(sum.f_to_kind(Kind::Double)?)?;
                *sums.entry(name).or_default() += sum;
            }
        }
        if units == 0 {
            return Err(EvalError::Nothing(format!("held-out {}", self.objective.name())));
        }
        let metrics = sums.iter().map(|(name, sum)| (*name, sum / units as f64));
        let counts = [("rows", self.dataset.len()), ("units", units), ("batches", batches)];
        Ok(Report::new(self.objective.name(), metrics, counts))
    }
}

impl Evaluator for HeldOut {
    fn name(&self) -> &str {
        self.objective.name()
    }

    fn evaluate(&mut self, model: &dyn Model) -> sst_core::Result<Metrics> {
        Ok(self.measure(model).map_err(into_core)?.metrics)
    }
}
