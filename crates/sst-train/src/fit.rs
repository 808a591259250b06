//! The outer loop: steps, and what the policy asks for after each.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use sst_core::{Metrics, Model, Ranks, Tracker};
use sst_data::Ledger;

use crate::agree::agree_on_success;
use crate::config::FitConfig;
use crate::error::TrainError;
use crate::fault::Fault;
use crate::saver::{Saver, WriteModel};
use crate::state::Restored;

mod report;
mod run;
mod save;
mod start;
pub(crate) mod task;

use run::Run;
pub use task::{OpenLoader, TaskEvaluator, Tasks, TrainTask};

/// Takes a copy of the model, with the figures of its step for its card, and returns what writes it.
pub type Export<'a> = dyn Fn(&dyn Model, &Metrics) -> Result<WriteModel, TrainError> + 'a;

/// All that a run works on.
pub struct Fit<'a> {
    /// Its settings.
    pub config: FitConfig,
    /// The processes that train the model together: [`sst_core::Solo`] for this one alone. Each calls [`fit`] with a
    /// copy of the model, with the same settings and tasks, and with the same checkpoint if it resumes.
    pub ranks: &'a dyn Ranks,
    /// The model; a resumed one already has its weights ([`crate::Checkpoint::restore`]). Parameters that
    /// the settings freeze stay frozen.
    pub model: &'a mut dyn Model,
    /// What it trains on.
    pub tasks: Tasks<'a>,
    /// What measures it, on rank 0 alone. The first that reports a `loss` decides which checkpoint is best, unless the
    /// settings name another figure.
    pub evaluators: &'a mut [TaskEvaluator],
    /// Who is told. Those of other ranks than rank 0 are told nothing.
    pub trackers: &'a mut [Box<dyn Tracker>],
    /// Where checkpoints go. Rank 0 alone writes them.
    pub saver: &'a Saver,
    /// Writes a checkpoint's `model/`.
    pub export: &'a Export<'a>,
    /// Counts what was dropped or skipped on this rank; replaced by the checkpoint's when resuming.
    pub ledger: &'a Ledger,
    /// Set by Ctrl-C: the step is finished, the run saved and left. Setting it on one rank stops all.
    pub stop: &'a AtomicBool,
    /// Where to go on; `None` for a new run.
    pub resume: Option<Restored>,
    /// A failure to make.
    pub fault: Option<Fault>,
}

/// Why a run ended before its last step, the reasons that come first first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It was asked to.
    Asked,
    /// It has seen as many tokens as it may.
    MaxTokens,
    /// It has taken as long as it may.
    MaxSeconds,
}

impl StopReason {
    /// All of them. If ranks have different reasons, the first of these holds.
    const ALL: [Self; 3] = [Self::Asked, Self::MaxTokens, Self::MaxSeconds];
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All steps are done.
    Finished {
        /// Steps done.
        step: u64,
        /// The latest figures under their logged names (`train/loss`, `eval/mlm/loss`, ...); those of evaluators on
        /// rank 0 alone.
        metrics: Metrics,
        /// The last checkpoint.
        checkpoint: PathBuf,
    },
    /// It ended before, and can go on from here.
    Stopped {
        /// Why.
        reason: StopReason,
        /// Steps done.
        step: u64,
        /// The checkpoint of that step.
        checkpoint: PathBuf,
    },
}

/// Trains until the last step, until a budget is spent, or until asked to stop.
///
/// # Errors
/// If data, model, objective or a tracker fail; if a checkpoint cannot be written (those before it are
/// untouched); if the loss is not finite (the weights are untouched); if this is a new run and the folder
/// holds checkpoints. An error of one rank ends all: the others return [`TrainError::OtherRank`].
pub fn fit(fit: Fit<'_>) -> Result<Outcome, TrainError> {
    let (policy, ranks) = (fit.config.policy(), fit.ranks);
    let mut run = agree_on_success(ranks, Run::start(fit))?;
    run.check_ranks_are_alike()?;
    if let Some(reason) = run.spent_before()?
        && run.step() < policy.total_steps
    {
        return run.stop(reason);
    }
    while run.step() < policy.total_steps {
        run.advance()?;
        let (step, stop) = (run.step(), run.stop_reason()?);
        let mut actions = policy.after_step(step, stop.is_some()).into_iter();
        let done = actions.try_for_each(|action| run.act(action));
        agree_on_success(ranks, done.and_then(|()| run.look_at_saver()))?;
        if let Some(reason) = stop
            && step < policy.total_steps
        {
            return run.stop(reason);
        }
    }
    run.finish()
}
