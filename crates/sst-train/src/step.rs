//! One step of training.

use std::collections::BTreeMap;

use sst_core::{Batch, Forward, LossParts, Model, Objective, StepContext};
use sst_data::loader::StepData;
use sst_data::{Key, Ledger, SeqRng, Units};
use tch::{Kind, Tensor};

use crate::error::TrainError;
use crate::finite::FiniteCheck;
use crate::fit::{Fault, FitConfig};
use crate::optim::Optimizer;

/// What a step reads and changes.
pub(crate) struct Step<'a> {
    pub(crate) config: &'a FitConfig,
    pub(crate) model: &'a dyn Model,
    pub(crate) objective: &'a mut dyn Objective,
    pub(crate) optimizer: &'a mut Optimizer,
    pub(crate) finite: &'a mut FiniteCheck,
    pub(crate) ledger: &'a Ledger,
    pub(crate) fault: Option<Fault>,
}

impl Step<'_> {
    /// Step number `step`, from 0, on `data`. Nothing here waits for an accelerator.
    pub(crate) fn take(&mut self, step: u64, data: &StepData) -> Result<StepReport, TrainError> {
        let Self { config, model, .. } = *self;
        let number = step + 1;

        // Count the units of the whole step: every micro-batch is divided by the same number.
        let units = count_units(data, self.objective.name())?;
        let Some(divisor) = units else { return self.skip(data) };

        // Forward and backward, one micro-batch after the other. Gradients add up in the parameters.
        let mut sums = Sums::zero(config.device)?;
        for (micro, host) in (0..).zip(&data.micro) {
            let batch = Batch::from_host(host, config.device)?;
            tch::manual_seed(device_seed(config.seed, step, micro, 0));
            let context = StepContext { step, micro, forward: Forward::TRAIN };
            let autocast = config.precision.autocast(config.device)?;
            let mut parts = self.objective.loss(model, &batch, &context)?;
            drop(autocast);
            if self.fault == Some(Fault::NanLoss { step: number }) {
                parts.loss = parts.loss.f_mul_scalar(f64::NAN)?;
            }
            parts.loss.f_div_scalar(divisor as f64)?.f_backward()?;
            sums.add(parts)?;
        }

        // With more ranks, gradients, `sums` and the units are summed over them here; `divisor` is then
        // the count of all ranks.

        // Clip by the global norm: the factor goes into the update, so that gradients are read once.
        let gradients = self.optimizer.gradients()?;
        let norm = gradients.norm()?.ok_or(TrainError::NoGradient { step: number })?;
        let scale = match config.max_grad_norm {
            Some(limit) => Some(norm.f_add_scalar(1e-6)?.f_div_scalar(limit)?.f_clamp_min(1.0)?),
            None => None,
        };

        // Finite check: a bad step never reaches the weights.
        let loss = sums.loss.f_div_scalar(divisor as f64)?;
        let found_inf = self.finite.watch(number, &loss, &norm, keys(data))?;

        // Update, at the rate that the schedule gives for this step.
        let rate = config.learning_rate(step);
        self.optimizer.update(rate, &gradients, scale.as_ref(), Some(&found_inf))?;
        self.optimizer.reset_gradients()?;
        tch::no_grad(|| self.objective.after_update(model, step))?;
        Ok(StepReport { grad_norm: norm.f_to_kind(Kind::Double)?, ..report(sums, divisor, data) })
    }

    /// A step without a single unit (no token was masked in it) says nothing about the weights.
    fn skip(&self, data: &StepData) -> Result<StepReport, TrainError> {
        self.ledger.add("train.steps_without_units", 1, keys(data).first());
        Ok(report(Sums::zero(self.config.device)?, 0, data))
    }
}

/// The sums of a step, f64 scalars on the device, detached.
#[derive(Debug)]
pub(crate) struct Sums {
    /// The loss.
    pub(crate) loss: Tensor,
    /// The objective's own.
    pub(crate) others: BTreeMap<&'static str, Tensor>,
}

impl Sums {
    fn zero(device: tch::Device) -> Result<Self, TrainError> {
        Ok(Self { loss: Tensor::f_zeros([], (Kind::Double, device))?, others: BTreeMap::new() })
    }

    fn add(&mut self, parts: LossParts) -> Result<(), TrainError> {
        let double = |tensor: &Tensor| tensor.f_detach()?.f_to_kind(Kind::Double);
        self.loss = self.loss.f_add(&double(&parts.loss)?)?;
        for (name, sum) in parts.sums {
            let sum = match self.others.remove(name) {
                Some(total) => total.f_add(&double(&sum)?)?,
                None => double(&sum)?,
            };
            self.others.insert(name, sum);
        }
        Ok(())
    }
}

/// What a step leaves for the record.
#[derive(Debug)]
pub(crate) struct StepReport {
    pub(crate) sums: Sums,
    /// The gradient norm before clipping, an f64 scalar on the device.
    pub(crate) grad_norm: Tensor,
    pub(crate) units: u64,
    pub(crate) useful_tokens: u64,
    pub(crate) padded_tokens: u64,
}

fn report(sums: Sums, units: u64, data: &StepData) -> StepReport {
    let grad_norm = sums.loss.zeros_like();
    let useful_tokens = data.micro.iter().map(|batch| batch.useful_tokens).sum();
    let padded_tokens = data.micro.iter().map(|batch| batch.padded_tokens).sum();
    StepReport { sums, grad_norm, units, useful_tokens, padded_tokens }
}

/// What the loss of a step is divided by; `None` if it has no unit at all. A loss over the whole batch is
/// its own mean.
fn count_units(data: &StepData, objective: &'static str) -> Result<Option<u64>, TrainError> {
    let mut total = 0;
    for batch in &data.micro {
        match batch.units {
            Units::Count(count) => total += count,
            Units::WholeBatch if data.micro.len() == 1 => total = 1,
            Units::WholeBatch => {
                return Err(TrainError::WholeBatch { objective, micro: data.micro.len() });
            }
        }
    }
    Ok((total > 0).then_some(total))
}

fn keys(data: &StepData) -> Vec<Key> {
    data.micro.iter().flat_map(|batch| batch.keys.iter().cloned()).collect()
}

/// The seed of the device's generator for one micro-batch, so that dropout needs no saved state.
fn device_seed(seed: u64, step: u64, micro: u64, rank: u64) -> i64 {
    let stream = format!("train.device.{rank}");
    SeqRng::new(seed, &stream, step, micro).next_u64() as i64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::device_seed;

    #[test]
    fn no_two_micro_batches_draw_alike() {
        let seeds = (0..81).map(|i| device_seed(i / 27, i / 9 % 3, i / 3 % 3, i % 3));
        assert_eq!(seeds.collect::<BTreeSet<_>>().len(), 81);
    }
}
