//! One step of training.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sst_core::{Batch, Forward, LossParts, Model, Objective, StepContext};
use sst_data::batching::Pool;
use sst_data::loader::{Loader, StepData};
use sst_data::{Ledger, SeqRng, Units};
use tch::{Kind, Tensor};

use crate::config::FitConfig;
use crate::ema::Ema;
use crate::error::{Listed, TrainError};
use crate::fault::Fault;
use crate::finite::FiniteCheck;
use crate::masters::Masters;
use crate::micro::{Micro, is_out_of_memory};
use crate::optim::Optimizer;
use crate::row_keys::keys;
use crate::scaler::Scaler;

/// What a step reads and changes.
pub(crate) struct Step<'a> {
    pub(crate) config: &'a FitConfig,
    pub(crate) model: &'a dyn Model,
    pub(crate) objective: &'a mut dyn Objective,
    pub(crate) optimizer: &'a mut Optimizer,
    pub(crate) scaler: Option<&'a mut Scaler>,
    pub(crate) masters: Option<&'a mut Masters>,
    pub(crate) ema: Option<&'a mut Ema>,
    pub(crate) finite: &'a mut FiniteCheck,
    pub(crate) micro: &'a mut Micro,
    pub(crate) loader: &'a Loader,
    pub(crate) ledger: &'a Ledger,
    pub(crate) fault: Option<Fault>,
}

impl Step<'_> {
    /// Step number `step`, from 0, on `data`. Nothing here waits for an accelerator, but in fp16.
    pub(crate) fn take(&mut self, step: u64, whole: &StepData) -> Result<StepReport, TrainError> {
        let Self { config, model, .. } = *self;
        let number = step + 1;

        // Micro-batches are as planned, or smaller if these did not fit into memory.
        let mut data = self.micro.cut(whole, self.loader)?;

        // Count the units of the whole step: every micro-batch is divided by the same number.
        let units = count_units(&data, self.objective.name())?;
        let Some(divisor) = units else {
            return self.skip(number, "train.steps_without_units", &data);
        };

        // Forward and backward, one micro-batch after the other. Gradients add up in the parameters. Where
        // memory does not suffice, the step begins again with smaller micro-batches.
        let sums = loop {
            match self.accumulate(step, divisor, &data) {
                Err(error) if is_out_of_memory(&error) => data = self.cut(number, whole, &error)?,
                sums => break sums?,
            }
        };

        // With more ranks, gradients, `sums` and the units are summed over them here; `divisor` is then
        // the count of all ranks.

        // Clip by the global norm: the factor goes into the update, so that gradients are read once.
        let gradients = self.optimizer.gradients()?;
        if let Some(scaler) = &self.scaler {
            scaler.unscale(&gradients)?;
        }
        let norm = gradients.norm()?.ok_or(TrainError::NoGradient { step: number })?;
        let scale = match config.max_grad_norm {
            Some(limit) => Some(norm.f_add_scalar(1e-6)?.f_div_scalar(limit)?.f_clamp_min(1.0)?),
            None => None,
        };

        // Finite check: a bad step never reaches the weights. One that only fp16 was too narrow for is
        // skipped.
        let loss = sums.loss.f_div_scalar(divisor as f64)?;
        if let Some(scaler) = &mut self.scaler
            && !scaler.accepts(loss.f_double_value(&[])?, norm.f_double_value(&[])?)
        {
            return self.skip(number, "train.skipped_overflow", &data);
        }
        let found_inf = self.finite.watch(number, &loss, &norm, keys(&data))?;

        // Update, at the rate that the schedule gives for this step.
        let rate = config.learning_rate(step);
        self.optimizer.update(rate, &gradients, scale.as_ref(), found_inf.as_ref())?;
        self.optimizer.reset_gradients()?;
        if let Some(ema) = &mut self.ema {
            ema.update()?;
        }
        tch::no_grad(|| self.objective.after_update(model, step))?;
        Ok(StepReport { grad_norm: norm.f_to_kind(Kind::Double)?, ..report(sums, divisor, &data) })
    }

    /// Adds the gradients of the step's mean loss to the parameters, and returns its sums.
    fn accumulate(&self, step: u64, divisor: u64, data: &StepData) -> Result<Sums, TrainError> {
        let Self { config, model, fault, .. } = *self;
        let mut sums = Sums::zero(config.device)?;
        for (micro, host) in (0..).zip(&data.micro) {
            let batch = Batch::from_host(host, config.device)?;
            tch::manual_seed(device_seed(config.seed, step, micro, 0));
            let context = StepContext { step, micro, forward: Forward::TRAIN };
            let autocast = config.precision.autocast(config.device)?;
            let mut parts = self.objective.loss(model, &batch, &context)?;
            drop(autocast);
            parts.loss = Fault::loss(fault, step + 1, parts.loss)?;
            let mut mean = parts.loss.f_div_scalar(divisor as f64)?;
            if let Some(scaler) = &self.scaler {
                mean = scaler.scale(&mean)?;
            }
            Fault::root(fault, step + 1, mean)?.f_backward()?;
            Fault::memory(fault, step + 1, batch.keys.len())?;
            if let Some(masters) = &self.masters {
                masters.take_gradients(data.micro.len() == 1)?;
            }
            sums.add(parts)?;
        }
        Ok(sums)
    }

    /// After `error`, which is of memory: drops what the step has added up, and cuts its micro-batches.
    fn cut<'d>(
        &mut self,
        number: u64,
        whole: &'d StepData,
        error: &TrainError,
    ) -> Result<Cow<'d, StepData>, TrainError> {
        self.optimizer.reset_gradients()?;
        if let Some(masters) = &self.masters {
            masters.drop_gradients()?;
        }
        self.micro.halve(number, whole, self.objective.name(), error)?;
        self.ledger.add("train.out_of_memory", 1, keys(whole).first());
        sst_kernels::empty_cache(self.config.device)?;
        self.micro.cut(whole, self.loader)
    }

    /// Leaves the weights as they are: of a step without a single unit (no token was masked in it), which
    /// says nothing about them, or of one that overflowed.
    fn skip(&self, number: u64, why: &str, data: &StepData) -> Result<StepReport, TrainError> {
        let keys = keys(data);
        tracing::info!("step {number} is skipped ({why}); its rows: {}", Listed(&keys));
        self.ledger.add(why, 1, keys.first());
        self.optimizer.reset_gradients()?;
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
    /// What a curriculum drew from.
    pub(crate) pool: Option<Pool>,
}

fn report(sums: Sums, units: u64, data: &StepData) -> StepReport {
    let grad_norm = sums.loss.zeros_like();
    let useful_tokens = data.micro.iter().map(|batch| batch.useful_tokens).sum();
    let padded_tokens = data.micro.iter().map(|batch| batch.padded_tokens).sum();
    StepReport { sums, grad_norm, units, useful_tokens, padded_tokens, pool: data.plan.pool }
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
