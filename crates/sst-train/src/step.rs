//! One step of training.

use sst_core::{Batch, Forward, Model, Objective, Ranks, StepContext, Verdict};
use sst_data::loader::{Loader, StepData};
use sst_data::{Ledger, SeqRng};
use tch::{Kind, Tensor};

use self::counts::Counts;
pub(crate) use self::report::StepReport;
use crate::agree::{agree, agree_on_success};
use crate::config::FitConfig;
use crate::ema::Ema;
use crate::error::{Listed, TrainError};
use crate::fault::Fault;
use crate::finite::FiniteCheck;
use crate::master_weights::MasterWeights;
use crate::micro::{MicroBatchSplit, is_out_of_memory};
use crate::optim::{Gradients, Optimizer};
use crate::reduce::reduce;
use crate::row_keys::row_keys;
use crate::scaler::Scaler;
use crate::sums::Sums;

mod counts;
mod report;

/// The parts of a run that a step reads and changes.
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
    pub(crate) split: &'a mut MicroBatchSplit,
    pub(crate) loader: &'a Loader,
    pub(crate) ledger: &'a Ledger,
    pub(crate) fault: Option<Fault>,
}

/// The batches of a step.
struct Batches {
    /// The micro-batches of the plan.
    planned: StepData,
    /// The same rows in smaller micro-batches, if those of the plan do not fit into memory.
    split: Option<StepData>,
    counts: Counts,
}

impl Batches {
    /// The micro-batches that the step runs.
    fn data(&self) -> &StepData {
        self.split.as_ref().unwrap_or(&self.planned)
    }
}

/// The gradients of the forward and backward passes of a step, and their sums.
type Pass = (Gradients, Sums);

/// The results of the check of the gradients.
struct CheckedGradients {
    /// The 2-norm of all gradients.
    norm: Tensor,
    /// The number that the update divides the gradients by, in order to clip them.
    scale: Option<Tensor>,
    /// On an accelerator, a scalar: 1 if the update must change nothing, and else 0.
    found_inf: Option<Tensor>,
}

impl Step<'_> {
    /// Runs step number `step`, counted from 0, on the batches that were `loaded`.
    ///
    /// The host does not wait for an accelerator here, except in fp16. Whatever happens on one rank, all ranks take
    /// part in the same collective operations in the same order.
    pub(crate) fn run(
        &mut self,
        step: u64,
        loaded: Result<StepData, TrainError>,
    ) -> Result<StepReport, TrainError> {
        let ranks = self.ranks;
        let number = step + 1;

        // The micro-batches are those of the plan, or smaller ones if these did not fit into memory before.
        let prepared = loaded.and_then(|planned| self.prepare(planned));
        let mut batches = agree_on_success(ranks, prepared)?;

        // The normaliser of the whole step, over all ranks. The loss of every micro-batch is divided by this number.
        let counts = batches.counts.sum_over_ranks(ranks)?;
        let normalizer = counts.normalizer;
        if normalizer == 0 {
            return self.skip(number, "train.steps_without_units", &batches, counts);
        }

        // Forward and backward pass of one micro-batch after the other. The gradients add up in the parameters. If one
        // rank runs out of memory, all ranks begin the step again with smaller micro-batches.
        let mut pass = self.accumulate(step, normalizer, batches.data());
        let (mut gradients, mut sums) = loop {
            let mine = self.verdict_on_pass(number, &batches, pass);
            let (verdict, latest) = agree(ranks, mine)?;
            if verdict != Verdict::Halve {
                break latest?;
            }
            let restarted = self.restart(number, &mut batches, latest.err());
            pass = restarted.and_then(|()| self.accumulate(step, normalizer, batches.data()));
        };

        // All-reduce of the gradients and of the sums.
        reduce(ranks, self.optimizer, &mut gradients, &mut sums)?;

        // Check that loss and gradients are finite. If they are not, the step ends with an error or, if only the range
        // of fp16 was exceeded, is skipped. In both cases the weights do not change.
        let scaling = self.scaler.as_ref().map(|scaler| scaler.state());
        let mine = self.check(number, normalizer, &gradients, &sums, &batches);
        let is_mine_good = matches!(&mine, Ok((Verdict::Go, _)));
        let (verdict, checked) = agree(ranks, mine)?;
        if verdict >= Verdict::Skip {
            if let (Some(scaler), Some(before), true) = (&mut self.scaler, scaling, is_mine_good) {
                scaler.back_off_from(before);
            }
            return self.skip(number, "train.skipped_overflow", &batches, counts);
        }

        // Update at the learning rate that the schedule gives for this step.
        let updated = self.update(step, &gradients, &checked);
        agree_on_success(ranks, updated)?;
        let grad_norm = checked.norm.f_to_kind(Kind::Double)?;
        Ok(StepReport { grad_norm, ..StepReport::new(sums, counts, &batches.planned) })
    }

    /// Splits the micro-batches if those of earlier steps had to be split, and counts their rows and tokens.
    fn prepare(&self, planned: StepData) -> Result<Batches, TrainError> {
        let split = self.split.split(&planned, self.loader)?;
        let data = split.as_ref().unwrap_or(&planned);
        let counts = Counts::of_step(data, self.objective.name(), self.ranks.world())?;
        Ok(Batches { counts, planned, split })
    }

    /// Runs the forward and backward passes of all micro-batches. The loss of each is divided by `normalizer`, so that
    /// the gradients of the parameters add up to those of the mean loss of the step.
    fn accumulate(&self, step: u64, normalizer: u64, data: &StepData) -> Result<Pass, TrainError> {
        let Self { config, model, fault, ranks, .. } = *self;
        let mut sums = Sums::zero(config.device)?;
        // The gradients of a single micro-batch may stay in bf16, unless they are added to those of other ranks.
        let is_single = data.micro.len() == 1 && ranks.world() == 1;
        for (micro, host) in (0..).zip(&data.micro) {
            let batch = Batch::from_host(host, config.device)?;
            tch::manual_seed(device_seed(config.seed, step, micro, ranks.rank()));
            let context = StepContext { step, micro, forward: Forward::TRAIN };
            let autocast = config.precision.autocast(config.device)?;
            let mut parts = self.objective.loss(model, &batch, &context)?;
            drop(autocast);
            parts.loss = Fault::loss(fault, step + 1, parts.loss)?;
            let mut mean = parts.loss.f_div_scalar(normalizer as f64)?;
            if let Some(scaler) = &self.scaler {
                mean = scaler.scale(&mean)?;
            }
            Fault::backward_root(fault, step + 1, mean)?.f_backward()?;
            Fault::check_memory(fault, step + 1, batch.keys.len())?;
            if let Some(master_weights) = &self.master_weights {
                master_weights.take_gradients(is_single)?;
            }
            sums.add(parts)?;
        }
        Ok((self.optimizer.gradients()?, sums))
    }

    /// The verdict of this rank after the forward and backward passes: to go on, or to halve the micro-batches if it
    /// ran out of memory. The inner result is `pass`.
    ///
    /// # Errors
    /// If the passes failed for another reason, or the micro-batches cannot be halved.
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
                self.split.check_can_halve(number, &batches.planned, objective, &error)?;
                Ok((Verdict::Halve, Err(error)))
            }
            Err(error) => Err(error),
        }
    }

    /// Drops the gradients of this step and halves its micro-batches. `error` is libtorch's error if this rank ran out
    /// of memory, and `None` if another rank did.
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
        self.split.halve(number, &batches.planned, error.as_ref());
        self.ledger.add("train.out_of_memory", 1, row_keys(&batches.planned).first());
        sst_kernels::empty_cache(self.config.device)?;
        batches.split = self.split.split(&batches.planned, self.loader)?;
        Ok(())
    }

    /// Checks that the loss and the gradients are finite. The verdict is [`Verdict::Skip`] if they exceed only the
    /// range of fp16.
    ///
    /// The norm of all gradients decides how much they are clipped. Clipping is left to the update, which divides the
    /// gradients by `scale`, so that they are read once.
    fn check(
        &mut self,
        number: u64,
        normalizer: u64,
        gradients: &Gradients,
        sums: &Sums,
        batches: &Batches,
    ) -> Result<(Verdict, CheckedGradients), TrainError> {
        if let Some(scaler) = &self.scaler {
            scaler.unscale(gradients)?;
        }
        let norm = gradients.norm()?.ok_or(TrainError::NoGradient { step: number })?;
        let scale = match self.config.max_grad_norm {
            Some(limit) => Some(norm.f_add_scalar(1e-6)?.f_div_scalar(limit)?.f_clamp_min(1.0)?),
            None => None,
        };
        let loss = sums.loss.f_div_scalar(normalizer as f64)?;
        if let Some(scaler) = &mut self.scaler
            && !scaler.accepts(loss.f_double_value(&[])?, norm.f_double_value(&[])?)
        {
            return Ok((Verdict::Skip, CheckedGradients { norm, scale, found_inf: None }));
        }
        let found_inf = self.finite.check(number, &loss, &norm, row_keys(batches.data()))?;
        Ok((Verdict::Go, CheckedGradients { norm, scale, found_inf }))
    }

    /// Updates the parameters, their moving average, and the state of the objective.
    fn update(
        &mut self,
        step: u64,
        gradients: &Gradients,
        checked: &CheckedGradients,
    ) -> Result<(), TrainError> {
        let CheckedGradients { scale, found_inf, .. } = checked;
        let lr = self.config.learning_rate(step);
        self.optimizer.update(lr, gradients, scale.as_ref(), found_inf.as_ref())?;
        self.optimizer.reset_gradients()?;
        if let Some(ema) = &mut self.ema {
            ema.update()?;
        }
        Ok(tch::no_grad(|| self.objective.after_update(self.model, step))?)
    }

    /// Ends the step without an update. `reason` is the entry of the ledger that counts such steps: steps whose
    /// normaliser is 0 (no token was masked, for example), or steps that overflowed.
    fn skip(
        &self,
        number: u64,
        reason: &str,
        batches: &Batches,
        counts: Counts,
    ) -> Result<StepReport, TrainError> {
        let keys = row_keys(batches.data());
        tracing::info!("step {number} is skipped ({reason}); its rows: {}", Listed(&keys));
        self.ledger.add(reason, 1, keys.first());
        self.optimizer.reset_gradients()?;
        let counts = Counts { normalizer: 0, ..counts };
        Ok(StepReport::new(Sums::zero(self.config.device)?, counts, &batches.planned))
    }
}

/// The seed of the device's random number generator for one micro-batch. As each micro-batch has a seed of its own, a
/// checkpoint need not save the state of the generator.
fn device_seed(seed: u64, step: u64, micro: u64, rank: usize) -> i64 {
    let stream = format!("train.device.{rank}");
    SeqRng::new(seed, &stream, step, micro).next_u64() as i64
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::device_seed;

    #[test]
    fn every_micro_batch_has_another_seed() {
        let seeds = (0..81).map(|i| device_seed(i / 27, i / 9 % 3, i / 3 % 3, i as usize % 3));
        assert_eq!(seeds.collect::<BTreeSet<_>>().len(), 81);
    }
}
