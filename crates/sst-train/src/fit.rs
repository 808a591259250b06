//! The outer loop: steps, and what the policy asks for after each.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use sst_core::{Evaluator, Metrics, Model, Objective, Tracker};
use sst_data::Ledger;
use sst_data::batching::Position;
use sst_data::loader::Loader;
use tch::Device;

use crate::error::TrainError;
use crate::optim::OptimizerConfig;
use crate::policy::Policy;
use crate::precision::Precision;
use crate::saver::Saver;
use crate::schedule::ScheduleConfig;
use crate::state::Restored;

mod run;

use run::Run;

/// A run's settings, resolved: every duration in steps.
#[derive(Debug, Clone, PartialEq)]
pub struct FitConfig {
    /// Steps in all, those before a resume included.
    pub total_steps: u64,
    /// The gradient's 2-norm is clipped to this.
    pub max_grad_norm: Option<f64>,
    /// Report each time so many steps are done.
    pub log_every: u64,
    /// Evaluate each time so many steps are done, and at the end.
    pub eval_every: Option<u64>,
    /// Save each time so many steps are done, and at the end.
    pub save_every: Option<u64>,
    /// Checkpoints to keep besides the best; 0 keeps all.
    pub keep: usize,
    /// Precision of the forward pass.
    pub precision: Precision,
    /// The seed of the run.
    pub seed: u64,
    /// Where the model is.
    pub device: Device,
    /// The optimiser.
    pub optimizer: OptimizerConfig,
    /// The learning rate's schedule.
    pub schedule: ScheduleConfig,
}

impl FitConfig {
    /// The learning rate of the update after `step` updates.
    pub fn learning_rate(&self, step: u64) -> f64 {
        self.optimizer.lr * self.schedule.lr_factor(step, self.total_steps)
    }

    /// The clocks of the run.
    pub fn policy(&self) -> Policy {
        Policy {
            total_steps: self.total_steps,
            log_every: self.log_every,
            eval_every: self.eval_every,
            save_every: self.save_every,
            keep: self.keep,
        }
    }
}

/// A failure made on purpose, to try what happens then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The loss of this step, from 1, is not a number.
    NanLoss {
        /// The step.
        step: u64,
    },
}

/// Writes the model into an empty folder as a Hugging Face model, with the figures for its card.
pub type Export<'a> = dyn Fn(&dyn Model, &Path, &Metrics) -> Result<(), TrainError> + 'a;

/// All that a run works on.
pub struct Fit<'a> {
    /// Its settings.
    pub config: FitConfig,
    /// The model; a resumed one already has its weights ([`crate::Checkpoint::restore`]).
    pub model: &'a mut dyn Model,
    /// What it trains on.
    pub objective: &'a mut dyn Objective,
    /// Opens the data at a position.
    pub open_loader: &'a dyn Fn(Position) -> Result<Loader, TrainError>,
    /// What measures it. The first that reports a `loss` decides which checkpoint is best.
    pub evaluators: &'a mut [Box<dyn Evaluator>],
    /// Who is told.
    pub trackers: &'a mut [Box<dyn Tracker>],
    /// Where checkpoints go.
    pub saver: &'a Saver,
    /// Writes a checkpoint's `model/`.
    pub export: &'a Export<'a>,
    /// Counts what was dropped or skipped; replaced by the checkpoint's when resuming.
    pub ledger: &'a Ledger,
    /// Set by Ctrl-C: the step is finished, the run saved and left.
    pub stop: &'a AtomicBool,
    /// Where to go on; `None` for a new run.
    pub resume: Option<Restored>,
    /// A failure to make.
    pub fault: Option<Fault>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All steps are done.
    Finished {
        /// Steps done.
        step: u64,
        /// The latest figures under their logged names (`train/loss`, `eval/mlm/loss`, ...).
        metrics: Metrics,
        /// The last checkpoint.
        checkpoint: PathBuf,
    },
    /// It was asked to stop, and can go on from here.
    Stopped {
        /// Steps done.
        step: u64,
        /// The checkpoint of that step.
        checkpoint: PathBuf,
    },
}

/// Trains until the last step or until asked to stop.
///
/// # Errors
/// If data, model, objective or a tracker fail; if a checkpoint cannot be written (those before it are
/// untouched); if the loss is not finite (the weights are untouched); if this is a new run and the folder
/// holds checkpoints.
pub fn fit(fit: Fit<'_>) -> Result<Outcome, TrainError> {
    let policy = fit.config.policy();
    let stop = fit.stop;
    let mut run = Run::start(fit)?;
    while run.step() < policy.total_steps {
        run.advance()?;
        let (step, stopping) = (run.step(), stop.load(Ordering::SeqCst));
        for action in policy.after_step(step, stopping) {
            run.act(action)?;
        }
        if stopping && step < policy.total_steps {
            return run.stop();
        }
    }
    run.finish()
}
