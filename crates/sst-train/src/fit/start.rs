//! The beginning of a run, new or resumed.

use std::time::Instant;

use sst_core::{Event, ParamStore};
use sst_data::Setting;

use super::run::Run;
use super::{Fit, TrainTask};
use crate::ema::Ema;
use crate::error::TrainError;
use crate::finite::FiniteCheck;
use crate::freeze::freeze;
use crate::master_weights::MasterWeights;
use crate::micro::Micro;
use crate::optim::{Optimizer, param_groups};
use crate::peak::measure_peak;
use crate::policy::Action;
use crate::precision::Precision;
use crate::profile::Profile;
use crate::saver::writer::Writer;
use crate::scaler::Scaler;
use crate::setting;
use crate::state::{Restored, TrainerState};
use crate::window::MetricWindow;

impl<'a> Run<'a> {
    pub(super) fn start(mut fit: Fit<'a>) -> Result<Self, TrainError> {
        fit.config.check()?;
        fit.tasks.check()?;
        sst_kernels::allow_tf32(fit.config.allow_tf32)?;
        freeze(fit.model.params_mut(), &fit.config.freeze)?;
        let config = &fit.config;
        let own: Vec<_> =
            fit.tasks.list.iter().map(|task| (&*task.name, task.objective.params())).collect();
        let mut groups =
            param_groups(fit.model.params(), &fit.model.stacks(), &own, &config.optimizer);
        let in_halves = !config.device.is_cuda()
            && config.ema.is_none()
            && config.optimizer.name.updates_halves();
        let master_weights =
            config.bf16_weights.then(|| MasterWeights::new(fit.model.params(), in_halves));
        let mut master_weights = master_weights.transpose()?;
        for (name, tensor) in groups.iter_mut().flat_map(|group| &mut group.params) {
            if let Some(full) =
                master_weights.as_ref().and_then(|master_weights| master_weights.full(name))
            {
                *tensor = full.shallow_clone();
            }
        }
        if let Some(master_weights) = &mut master_weights {
            master_weights.show_low()?;
        }
        let averaged = groups.iter().flat_map(|group| &group.params);
        let averaged = averaged.map(|(name, tensor)| (name.as_str(), tensor));
        let ema = config.ema.map(|ema| Ema::new(ema, averaged));
        let mut ema = ema.transpose()?;
        let mut optimizer = Optimizer::new(config.optimizer, groups)?;
        if let Some(master_weights) = &master_weights {
            optimizer.keep_low(|name| master_weights.low(name))?;
        }
        // Gradients of an earlier run on this model must not leak into the first step.
        optimizer.reset_gradients()?;

        let is_first_rank = fit.ranks.rank() == 0;
        if is_first_rank {
            fit.saver.remove_leftovers()?;
        }
        let state = match fit.resume.take() {
            None if is_first_rank && !fit.saver.steps()?.is_empty() => {
                return Err(TrainError::RunExists { path: fit.saver.folder().to_owned() });
            }
            None => None,
            Some(restored) => {
                check_same(&fit, &restored)?;
                optimizer.load_state(restored.optimizer)?;
                if let (Some(ema), Some(saved)) = (&mut ema, &restored.ema) {
                    ema.load_state(saved, restored.state.ema_updates.unwrap_or(0))?;
                }
                if is_first_rank {
                    fit.saver.rewind_to(restored.state.step)?;
                    delete_old(&fit, &restored.state)?;
                }
                fit.ledger.restore(restored.state.ledger.clone());
                Some(restored.state)
            }
        };
        let is_fp16 = config.precision == Precision::Fp16;
        if is_fp16 && !config.device.is_cuda() {
            tracing::warn!("fp16 is many times slower than bf16 or fp32 on most processors");
        }
        let scaler = state.as_ref().and_then(|state| state.scaler);
        let scaler = is_fp16.then(|| Scaler::new(config.loss_scaling, scaler)).transpose()?;
        let peak = match config.flops_per_token {
            Some(_) => Some(measure_peak(config.device, config.precision)?),
            None => None,
        };
        let window = match &state {
            Some(state) => MetricWindow::restore(state.window.clone(), config.device)?,
            None => MetricWindow::new(fit.tasks.list.len()),
        };
        let open = |(number, task): (usize, &TrainTask<'_>)| {
            let place = state.as_ref().map(|state| state.tasks[number].position);
            (task.open_loader)(place.unwrap_or_default(), fit.ranks)
        };
        let loaders = fit.tasks.list.iter().enumerate().map(open).collect::<Result<_, _>>()?;
        let step = state.as_ref().map_or(0, |state| state.step);
        let profile = config.profile.clone();
        let profile = profile.map(|profile| Profile::new(profile, step, config.device));
        let mut run = Self {
            scaler,
            master_weights,
            ema,
            micro: Micro::new(state.as_ref().map_or(0, |state| state.halvings)),
            window,
            // In fp16 the host has looked already, to know whether the step is skipped.
            finite: FiniteCheck::new(config.device.is_cuda() && !is_fp16),
            loaders,
            writer: Writer::new(fit.saver.clone(), config.async_save),
            step,
            spent: state.as_ref().map(|state| state.spent).unwrap_or_default(),
            began: Instant::now(),
            clock: Instant::now(),
            peak,
            profile,
            metrics: state.as_ref().map(|state| state.metrics.clone()).unwrap_or_default(),
            evaluated: state.as_ref().and_then(|state| state.evaluated),
            logged: state.as_ref().and_then(|state| state.logged),
            best: state.map(|state| state.best).unwrap_or_default(),
            held_out: None,
            optimizer,
            fit,
        };
        let own = run.fit.tasks.list.iter().filter_map(|task| task.objective.params());
        let own: u64 = own.map(ParamStore::num_trainable).sum();
        run.tell(&Event::Start {
            step: run.step,
            total_steps: run.fit.config.total_steps,
            parameters: run.fit.model.params().num_trainable() + own,
        })?;
        Ok(run)
    }
}

/// Deletes the checkpoints that need not stay: the run may have been killed after a save and before this.
fn delete_old(fit: &Fit<'_>, state: &TrainerState) -> Result<(), TrainError> {
    let best: Vec<u64> = state.best.iter().map(|best| best.step).collect();
    let saved = fit.saver.steps()?;
    for action in fit.config.retention.after_save(state.step, &saved, &best) {
        if let Action::Delete(step) = action {
            fit.saver.delete(step)?;
        }
    }
    Ok(())
}

/// A state that this run has no use for, or lacks, is that of another run.
fn check_same(fit: &Fit<'_>, restored: &Restored) -> Result<(), TrainError> {
    let (config, state) = (&fit.config, &restored.state);
    let differs = |setting: Setting, was: String, is: String| {
        let reason = format!("it was made with {setting} = {was}, and this run has {is}");
        Err(TrainError::Resume { path: restored.path.clone(), reason, setting })
    };
    let (was, is): (Vec<_>, _) =
        (state.tasks.iter().map(|task| &*task.name).collect(), fit.tasks.names());
    if was != is {
        return differs(setting::TASKS, was.join(", "), is.join(", "));
    }
    if state.seed != config.seed {
        return differs(setting::SEED, state.seed.to_string(), config.seed.to_string());
    }
    let (was, is) = (state.ema_updates.is_some(), config.ema.is_some());
    if was != is {
        let word = |on: bool| if on { "an average" } else { "none" }.to_owned();
        return differs(setting::EMA, word(was), word(is));
    }
    let (was, is) = (state.scaler.is_some(), config.precision == Precision::Fp16);
    if was != is {
        let word = |fp16: bool| if fp16 { "fp16" } else { "another precision" }.to_owned();
        return differs(setting::PRECISION, word(was), word(is));
    }
    Ok(())
}
