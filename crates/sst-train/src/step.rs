//! One step of training.

use sst_core::{Batch, Forward, Model, Objective, Ranks, StepContext, Verdict};
use sst_data::batching::Pool;
use sst_data::loader::{Loader, StepData};
use sst_data::{Ledger, Normalizer, SeqRng};
use tch::{Kind, Tensor};

use crate::agree::{agree, agree_on_success};
use crate::config::FitConfig;
use crate::ema::Ema;
use crate::error::{Listed, TrainError};
use crate::fault::Fault;
use crate::finite::FiniteCheck;
use crate::master_weights::MasterWeights;
use crate::micro::{Micro, is_out_of_memory};
use crate::optim::{Gradients, Optimizer};
use crate::reduce::reduce;
use crate::row_keys::keys;
use crate::scaler::Scaler;
use crate::sums::Sums;

/// What a step reads and changes.
pub(crate) struct Step<'a> {
    pub(crate) config: &'a FitConfig,
    pub(crate) ranks: &'a dyn Ranks,
    pub(crate) model: &'a dyn Model,
    pub(crate) objective: &'a mut dyn Objective,
    pub(crate) optimizer: &'a mut Optimizer,
    pub(crate) scaler: Option<&'a mut Scaler>,
    pub(crate) master_weights: Option<&'a mut MasterWeights>,
    pub(crate) ema: Option<&'a mut Ema>,
    pub(crate) finite: &'a mut FiniteCheck,
    pub(crate) micro: &'a mut Micro,
    pub(crate) loader: &'a Loader,
    pub(crate) ledger: &'a Ledger,
    pub(crate) fault: Option<Fault>,
}

/// The batches of a step.
struct Batches {
    /// As planned.
    whole: StepData,
    /// With smaller micro-batches, if those of the plan did not fit into memory.
    cut: Option<StepData>,
    counts: Counts,
}

impl Batches {
    /// The batches that the step runs.
    fn data(&self) -> &StepData {
        self.cut.as_ref().unwrap_or(&self.whole)
    }
}

/// The gradients of a forward and backward pass, and its sums.
type Pass = (Gradients, Sums);

/// What was found out about the gradients of a step.
struct Checked {
    /// The 2-norm of all gradients.
    norm: Tensor,
    /// The divisor of the gradients that clips them.
    scale: Option<Tensor>,
    /// On an accelerator, 1 if the update has to change nothing.
    found_inf: Option<Tensor>,
}

impl Step<'_> {
    /// Step number `step`, from 0, on the batches that were `loaded`. Nothing here waits for an accelerator, but in
    /// fp16. All ranks exchange the same things in the same order, whatever happens on one of them.
    pub(crate) fn take(
        &mut self,
        step: u64,
        loaded: Result<StepData, TrainError>,
    ) -> Result<StepReport, TrainError> {
        let ranks = self.ranks;
        let number = step + 1;

        // Micro-batches are as planned, or smaller if these did not fit into memory.
        let prepared = loaded.and_then(|whole| self.prepare(whole));
        let mut batches = agree_on_success(ranks, prepared)?;

        // Count the units of the whole step, over all ranks: every micro-batch is divided by the same number.
        let counts = batches.counts.over(ranks)?;
        let divisor = counts.units;
        if divisor == 0 {
            return self.skip(number, "train.steps_without_units", &batches, counts);
        }

        // Forward and backward, one micro-batch after the other. Gradients add up in the parameters. Where
        // memory does not suffice on one rank, the step begins again on all, with smaller micro-batches.
        let mut pass = self.accumulate(step, divisor, batches.data());
        let (mut gradients, mut sums) = loop {
            let mine = self.verdict_on_pass(number, &batches, pass);
            let (verdict, last) = agree(ranks, mine)?;
            if verdict != Verdict::Halve {
                break last?;
            }
            let restarted = self.restart(number, &mut batches, last.err());
            pass = restarted.and_then(|()| self.accumulate(step, divisor, batches.data()));
        };

        // Sum gradients and sums over the ranks.
        reduce(ranks, self.optimizer, &mut gradients, &mut sums)?;

        // Finite check: a bad step never reaches the weights. One that only fp16 was too narrow for is
        // skipped.
        let scaling = self.scaler.as_ref().map(|scaler| scaler.state());
        let mine = self.check(number, divisor, &gradients, &sums, &batches);
        let is_mine_good = matches!(&mine, Ok((Verdict::Go, _)));
        let (verdict, checked) = agree(ranks, mine)?;
        if verdict >= Verdict::Skip {
            if let (Some(scaler), Some(before), true) = (&mut self.scaler, scaling, is_mine_good) {
                scaler.back_off_from(before);
            }
            return self.skip(number, "train.skipped_overflow", &batches, counts);
        }

        // Update, at the rate that the schedule gives for this step.
        let updated = self.update(step, &gradients, &checked);
        agree_on_success(ranks, updated)?;
        let grad_norm = checked.norm.f_to_kind(Kind::Double)?;
        Ok(StepReport { grad_norm, ..report(sums, counts, &batches.whole) })
    }

    /// Cuts the micro-batches as those before were cut, and counts what is in them.
    fn prepare(&self, whole: StepData) -> Result<Batches, TrainError> {
        let cut = self.micro.cut(&whole, self.loader)?;
        let data = cut.as_ref().unwrap_or(&whole);
        let counts = Counts::of(data, self.objective.name(), self.ranks.world())?;
        Ok(Batches { counts, whole, cut })
    }

    /// Adds the gradients of the step's mean loss to the parameters, and returns them with its sums.
    fn accumulate(&self, step: u64, divisor: u64, data: &StepData) -> Result<Pass, TrainError> {
        let Self { config, model, fault, ranks, .. } = *self;
        let mut sums = Sums::zero(config.device)?;
        // Gradients of one micro-batch may stay in bf16, unless they are summed with those of other ranks.
        let is_single = data.micro.len() == 1 && ranks.world() == 1;
        for (micro, host) in (0..).zip(&data.micro) {
            let batch = Batch::from_host(host, config.device)?;
            tch::manual_seed(device_seed(config.seed, step, micro, ranks.rank()));
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
            if let Some(master_weights) = &self.master_weights {
                master_weights.take_gradients(is_single)?;
            }
            sums.add(parts)?;
        }
        Ok((self.optimizer.gradients()?, sums))
    }

    /// What this rank wants to do after a forward and backward pass: go on, or cut its micro-batches if memory did not
    /// suffice. The inner result is the pass, or that error.
    fn verdict_on_pass(
        &self,
        number: u64,
        batches: &Batches,
        pass: Result<Pass, TrainError>,
    ) -> Result<(Verdict, Result<Pass, TrainError>), TrainError> {
        match pass {
            Ok(pass) => Ok((Verdict::Go, Ok(pass))),
            Err(error) if is_out_of_memory(&error) => {
                let objective = self.objective.name();
                self.micro.check_can_halve(number, &batches.whole, objective, &error)?;
                Ok((Verdict::Halve, Err(error)))
            }
            Err(error) => Err(error),
        }
    }

    /// Drops what the step has added up, and cuts its micro-batches. `error` is what libtorch said if memory did not
    /// suffice on this rank.
    fn restart(
        &mut self,
        number: u64,
        batches: &mut Batches,
        error: Option<TrainError>,
    ) -> Result<(), TrainError> {
        self.optimizer.reset_gradients()?;
        if let Some(master_weights) = &self.master_weights {
            master_weights.drop_gradients()?;
        }
        self.micro.halve(number, &batches.whole, error.as_ref());
        self.ledger.add("train.out_of_memory", 1, keys(&batches.whole).first());
        sst_kernels::empty_cache(self.config.device)?;
        batches.cut = self.micro.cut(&batches.whole, self.loader)?;
        Ok(())
    }

    /// Looks whether loss and gradients are finite, with the verdict [`Verdict::Skip`] where fp16 was too narrow. Clips
    /// by the global norm: the factor goes into the update, so that gradients are read once.
    fn check(
        &mut self,
        number: u64,
        divisor: u64,
        gradients: &Gradients,
        sums: &Sums,
        batches: &Batches,
    ) -> Result<(Verdict, Checked), TrainError> {
        if let Some(scaler) = &self.scaler {
            scaler.unscale(gradients)?;
        }
        let norm = gradients.norm()?.ok_or(TrainError::NoGradient { step: number })?;
        let scale = match self.config.max_grad_norm {
            Some(limit) => Some(norm.f_add_scalar(1e-6)?.f_div_scalar(limit)?.f_clamp_min(1.0)?),
            None => None,
        };
        let loss = sums.loss.f_div_scalar(divisor as f64)?;
        if let Some(scaler) = &mut self.scaler
            && !scaler.accepts(loss.f_double_value(&[])?, norm.f_double_value(&[])?)
        {
            return Ok((Verdict::Skip, Checked { norm, scale, found_inf: None }));
        }
        let found_inf = self.finite.watch(number, &loss, &norm, keys(batches.data()))?;
        Ok((Verdict::Go, Checked { norm, scale, found_inf }))
    }

    /// Updates the weights, and what follows them.
    fn update(
        &mut self,
        step: u64,
        gradients: &Gradients,
        checked: &Checked,
    ) -> Result<(), TrainError> {
        let Checked { scale, found_inf, .. } = checked;
        let rate = self.config.learning_rate(step);
        self.optimizer.update(rate, gradients, scale.as_ref(), found_inf.as_ref())?;
        self.optimizer.reset_gradients()?;
        if let Some(ema) = &mut self.ema {
            ema.update()?;
        }
        Ok(tch::no_grad(|| self.objective.after_update(self.model, step))?)
    }

    /// Leaves the weights as they are: of a step without a single unit (no token was masked in it), which
    /// says nothing about them, or of one that overflowed.
    fn skip(
        &self,
        number: u64,
        why: &str,
        batches: &Batches,
        counts: Counts,
    ) -> Result<StepReport, TrainError> {
        let keys = keys(batches.data());
        tracing::info!("step {number} is skipped ({why}); its rows: {}", Listed(&keys));
        self.ledger.add(why, 1, keys.first());
        self.optimizer.reset_gradients()?;
        let counts = Counts { units: 0, ..counts };
        Ok(report(Sums::zero(self.config.device)?, counts, &batches.whole))
    }
}

/// What is in the batches of a step.
#[derive(Debug, Clone, Copy)]
struct Counts {
    /// What the loss of the step is divided by. A loss over the whole batch is its own mean, and counts 1.
    units: u64,
    /// Tokens that carry data.
    useful_tokens: u64,
    /// Tokens computed on, padding included.
    padded_tokens: u64,
}

impl Counts {
    fn of(data: &StepData, objective: &'static str, world: usize) -> Result<Self, TrainError> {
        let mut units = 0;
        for batch in &data.micro {
            match batch.normalizer {
                Normalizer::Count(count) => units += count,
                Normalizer::WholeBatch if world > 1 => {
                    return Err(TrainError::WholeBatchRanks { objective, world });
                }
                Normalizer::WholeBatch if data.micro.len() == 1 => units = 1,
                Normalizer::WholeBatch => {
                    return Err(TrainError::WholeBatch { objective, micro: data.micro.len() });
                }
            }
        }
        let useful_tokens = data.micro.iter().map(|batch| batch.useful_tokens).sum();
        let padded_tokens = data.micro.iter().map(|batch| batch.padded_tokens).sum();
        Ok(Self { units, useful_tokens, padded_tokens })
    }

    /// The sums over all ranks.
    fn over(self, ranks: &dyn Ranks) -> Result<Self, TrainError> {
        let mut counts = [self.units, self.useful_tokens, self.padded_tokens];
        ranks.sum(&mut counts)?;
        let [units, useful_tokens, padded_tokens] = counts;
        Ok(Self { units, useful_tokens, padded_tokens })
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

fn report(sums: Sums, counts: Counts, data: &StepData) -> StepReport {
    let grad_norm = sums.loss.zeros_like();
    let Counts { units, useful_tokens, padded_tokens } = counts;
    StepReport { sums, grad_norm, units, useful_tokens, padded_tokens, pool: data.plan.pool }
}

/// The seed of the device's generator for one micro-batch, so that dropout needs no saved state.
fn device_seed(seed: u64, step: u64, micro: u64, rank: usize) -> i64 {
    let stream = format!("train.device.{rank}");
    SeqRng::new(seed, &stream, step, micro).next_u64() as i64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::device_seed;

    #[test]
    fn no_two_micro_batches_draw_alike() {
        let seeds = (0..81).map(|i| device_seed(i / 27, i / 9 % 3, i / 3 % 3, i as usize % 3));
        assert_eq!(seeds.collect::<BTreeSet<_>>().len(), 81);
    }
}
