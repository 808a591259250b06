//! The start of a run, new or resumed.

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
use crate::micro::MicroBatchSplit;
use crate::optim::{Optimizer, param_groups};
use crate::peak::measure_peak;
use crate::policy::Action;
use crate::precision::Precision;
use crate::profile::Profile;
use crate::saver::writer::Writer;
use crate::scaler::Scaler;
use crate::setting;
use crate::state::{Restored, TrainerState};
use crate::unfreeze::Unfreezing;
use crate::window::MetricWindow;

impl<'a> Run<'a> {
    /// Makes the optimiser and the loaders of a run, restores their state to resume, and sends [`Event::Start`].
    pub(super) fn start(mut fit: Fit<'a>) -> Result<Self, TrainError> {
        fit.config.check()?;
        fit.tasks.check()?;
        sst_kernels::allow_tf32(fit.config.allow_tf32)?;
        freeze(fit.model.params_mut(), &fit.config.freeze)?;
        let total_steps = fit.config.total_steps;
        let unfreezing = fit.config.unfreeze;
        let unfreezing =
            unfreezing.map(|rule| Unfreezing::start(rule, &mut *fit.model, total_steps));
        let unfreezing = unfreezing.transpose()?;
        let Weights { mut optimizer, master_weights, mut ema } = Weights::new(&fit)?;
        let state = restore(&mut fit, &mut optimizer, ema.as_mut())?;

        let config = &fit.config;
        let is_fp16 = config.precision == Precision::Fp16;
        if is_fp16 && !config.device.is_cuda() {
            tracing::warn!("fp16 is many times slower than bf16 or fp32 on most processors");
        }
        let scaler_state = state.as_ref().and_then(|state| state.scaler);
        let scaler = is_fp16.then(|| Scaler::new(config.loss_scaling, scaler_state)).transpose()?;
        let peak = match config.flops_per_token {
            Some(_) => Some(measure_peak(config.device, config.precision)?),
            None => None,
        };
        let window = match &state {
            Some(state) => MetricWindow::restore(state.window.clone(), config.device)?,
            None => MetricWindow::new(fit.tasks.list.len()),
        };
        let open = |(index, task): (usize, &TrainTask<'_>)| {
            let position = state.as_ref().map(|state| state.tasks[index].position);
            (task.open_loader)(position.unwrap_or_default(), fit.ranks)
        };
        let loaders = fit.tasks.list.iter().enumerate().map(open).collect::<Result<_, _>>()?;
        let step = state.as_ref().map_or(0, |state| state.step);
        let profile_config = config.profile.clone();
        let profile = profile_config.map(|profile| Profile::new(profile, step, config.device));
        let mut run = Self {
            scaler,
            master_weights,
            ema,
            split: MicroBatchSplit::new(state.as_ref().map_or(0, |state| state.halvings)),
            window,
            // In fp16 the host reads the loss and the norm in each step anyway, to know whether to skip the step.
            finite: FiniteCheck::new(config.device.is_cuda() && !is_fp16),
            loaders,
            writer: Writer::new(fit.saver.clone(), config.async_save),
            step,
            spent: state.as_ref().map(|state| state.spent).unwrap_or_default(),
            started: Instant::now(),
            step_clock: Instant::now(),
            peak,
            profile,
            metrics: state.as_ref().map(|state| state.metrics.clone()).unwrap_or_default(),
            evaluated: state.as_ref().and_then(|state| state.evaluated),
            logged: state.as_ref().and_then(|state| state.logged),
            early_stopping: state.as_ref().and_then(|state| state.early_stopping),
            best: state.map(|state| state.best).unwrap_or_default(),
            unfreezing,
            ranking_metric: None,
            optimizer,
            fit,
        };
        let objectives = run.fit.tasks.list.iter().filter_map(|task| task.objective.params());
        let of_objectives: u64 = objectives.map(ParamStore::num_trainable).sum();
        run.notify(&Event::Start {
            step: run.step,
            total_steps: run.fit.config.total_steps,
            parameters: run.fit.model.params().num_trainable() + of_objectives,
        })?;
        Ok(run)
    }
}

/// The optimiser of a run, and the copies of the weights that the run keeps beside those of the model.
struct Weights {
    optimizer: Optimizer,
    master_weights: Option<MasterWeights>,
    ema: Option<Ema>,
}

impl Weights {
    /// The optimiser and the weights of a new run. If the settings ask for bf16 weights, the model computes with them
    /// from here on.
    fn new(fit: &Fit<'_>) -> Result<Self, TrainError> {
        let config = &fit.config;
        let objectives: Vec<_> =
            fit.tasks.list.iter().map(|task| (&*task.name, task.objective.params())).collect();
        let (params, stacks) = (fit.model.params(), fit.model.stacks());
        let mut groups = param_groups(params, &stacks, &objectives, &config.optimizer);
        let mut master_weights = None;
        if config.bf16_weights {
            // The moving average needs the fp32 weights after each update, so they are then stored.
            let use_remainders = !config.device.is_cuda()
                && config.ema.is_none()
                && config.optimizer.name.supports_bf16_remainder();
            let mut weights = MasterWeights::new(params, use_remainders)?;
            for (name, tensor) in groups.iter_mut().flat_map(|group| &mut group.params) {
                if let Some(fp32) = weights.fp32(name) {
                    *tensor = fp32.shallow_clone();
                }
            }
            weights.show_bf16()?;
            master_weights = Some(weights);
        }
        let params = groups.iter().flat_map(|group| &group.params);
        let named = params.map(|(name, tensor)| (name.as_str(), tensor));
        let ema = config.ema.map(|ema| Ema::new(ema, named)).transpose()?;
        let mut optimizer = Optimizer::new(config.optimizer, groups)?;
        if let Some(weights) = &master_weights {
            optimizer.set_bf16_weights(|name| weights.bf16(name))?;
        }
        // An earlier run may have left gradients in the parameters of this model.
        optimizer.reset_gradients()?;
        Ok(Self { optimizer, master_weights, ema })
    }
}

/// Prepares the folder of checkpoints, and restores the optimiser, the moving average and the ledger if the run is
/// resumed. Returns the rest of the state; `None` for a new run.
fn restore(
    fit: &mut Fit<'_>,
    optimizer: &mut Optimizer,
    ema: Option<&mut Ema>,
) -> Result<Option<TrainerState>, TrainError> {
    let is_first_rank = fit.ranks.rank() == 0;
    if is_first_rank {
        fit.saver.remove_leftovers()?;
    }
    let Some(restored) = fit.resume.take() else {
        if is_first_rank && !fit.saver.steps()?.is_empty() {
            return Err(TrainError::RunExists { path: fit.saver.folder().to_owned() });
        }
        return Ok(None);
    };
    check_settings(fit, &restored)?;
    optimizer.load_state(restored.optimizer)?;
    if let (Some(ema), Some(saved)) = (ema, &restored.ema) {
        ema.load_state(saved, restored.state.ema_updates.unwrap_or(0))?;
    }
    if is_first_rank {
        fit.saver.rewind_to(restored.state.step)?;
        delete_old(fit, &restored.state)?;
    }
    fit.ledger.restore(restored.state.ledger.clone());
    Ok(Some(restored.state))
}

/// Deletes the checkpoints that are not kept. Usually a save does that, but the run may have been killed after its last
/// save and before it deleted them.
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

/// Checks that the checkpoint was made with the settings of this run, as far as they decide what a checkpoint contains.
///
/// # Errors
/// If the tasks or the seed differ, or only one of both has a moving average or a loss scaler.
fn check_settings(fit: &Fit<'_>, restored: &Restored) -> Result<(), TrainError> {
    let (config, state) = (&fit.config, &restored.state);
    let differs = |setting: Setting, before: String, now: String| {
        let reason = format!("it was made with {setting} = {before}, and this run has {now}");
        Err(TrainError::Resume { path: restored.path.clone(), reason, setting })
    };
    let tasks_before: Vec<_> = state.tasks.iter().map(|task| &*task.name).collect();
    let tasks = fit.tasks.names();
    if tasks_before != tasks {
        return differs(setting::TASKS, tasks_before.join(", "), tasks.join(", "));
    }
    if state.seed != config.seed {
        return differs(setting::SEED, state.seed.to_string(), config.seed.to_string());
    }
    let (had_ema, has_ema) = (state.ema_updates.is_some(), config.ema.is_some());
    if had_ema != has_ema {
        let name = |has: bool| if has { "an average" } else { "none" }.to_owned();
        return differs(setting::EMA, name(had_ema), name(has_ema));
    }
    let (was_fp16, is_fp16) = (state.scaler.is_some(), config.precision == Precision::Fp16);
    if was_fp16 != is_fp16 {
        let name = |is_fp16: bool| if is_fp16 { "fp16" } else { "another precision" }.to_owned();
        return differs(setting::PRECISION, name(was_fp16), name(is_fp16));
    }
    Ok(())
}
