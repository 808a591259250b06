//! The outer loop: one step after the other, and after each step the actions of the policy.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use sst_core::{Metrics, Model, Ranks, Tracker};
use sst_data::Ledger;

use crate::agree::agree_on_success;
use crate::config::FitConfig;
use crate::error::TrainError;
use crate::fault::Fault;
use crate::policy::Action;
use crate::saver::{Saver, WriteModel};
use crate::state::Restored;

mod report;
mod run;
mod save;
mod start;
pub(crate) mod task;

use run::Run;
pub use task::{OpenLoader, TaskEvaluator, Tasks, TrainTask};

/// Copies a model, and returns a function that writes the copy into a folder. The metrics of the step are for the model
/// card.
pub type Export<'a> = dyn Fn(&dyn Model, &Metrics) -> Result<WriteModel, TrainError> + 'a;

/// The arguments of [`fit()`].
pub struct Fit<'a> {
    /// The settings of the run.
    pub config: FitConfig,
    /// The processes that train the model together; [`sst_core::Solo`] for this process alone. Each process calls
    /// [`fit`] with its copy of the model, with the same settings and tasks, and, to resume, with the same checkpoint.
    pub ranks: &'a dyn Ranks,
    /// The model. To resume, [`crate::Checkpoint::restore`] must have restored its weights. Parameters that
    /// [`FitConfig::freeze`] matches stay frozen afterwards.
    pub model: &'a mut dyn Model,
    /// The objectives and their data.
    pub tasks: Tasks<'a>,
    /// The evaluators, which run on rank 0 alone. The first one that reports a `loss` decides which checkpoint is best,
    /// unless [`crate::Retention::by`] names another metric.
    pub evaluators: &'a mut [TaskEvaluator],
    /// The trackers, which receive events on rank 0 alone.
    pub trackers: &'a mut [Box<dyn Tracker>],
    /// Writes the checkpoints, on rank 0 alone.
    pub saver: &'a Saver,
    /// Exports the model to `model/` of a checkpoint.
    pub export: &'a Export<'a>,
    /// Counts what this rank drops or skips. A resumed run replaces its entries by those of the checkpoint.
    pub ledger: &'a Ledger,
    /// If this flag becomes true on one rank, as by Ctrl-C, all ranks finish the current step, save, and stop.
    pub stop: &'a AtomicBool,
    /// The checkpoint to resume from; `None` for a new run.
    pub resume: Option<Restored>,
    /// A failure to inject, for tests.
    pub fault: Option<Fault>,
}

/// Why a run stopped before its last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// The flag [`Fit::stop`] was set.
    Asked,
    /// The run has trained on [`FitConfig::max_tokens`] tokens.
    MaxTokens,
    /// The run has taken [`FitConfig::max_seconds`] seconds.
    MaxSeconds,
}

impl StopReason {
    /// All reasons. If the ranks have different reasons, the first one in this order is reported.
    const ALL: [Self; 3] = [Self::Asked, Self::MaxTokens, Self::MaxSeconds];
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// All steps are done, or early stopping has ended the run.
    Finished {
        /// The number of steps done.
        step: u64,
        /// Whether early stopping has ended the run, before its last step.
        is_early: bool,
        /// The latest value of each metric under its logged name (`train/loss`, `eval/mlm/loss`, ...). Only rank 0 has
        /// the metrics of evaluators.
        metrics: Metrics,
        /// The folder of the last checkpoint, or of the best one if [`crate::Retention::restore_best`] is set; the
        /// metrics are then those of the best one.
        checkpoint: PathBuf,
    },
    /// The run stopped before its last step. It can be resumed from the checkpoint.
    Stopped {
        /// Why it stopped.
        reason: StopReason,
        /// The number of steps done.
        step: u64,
        /// The folder of the checkpoint of this step.
        checkpoint: PathBuf,
    },
}

/// Trains a model until its last step, until a budget of tokens or seconds is used up, or until [`Fit::stop`] is set.
///
/// # Errors
/// - If the data, the model, an objective, an evaluator or a tracker fails.
/// - If the loss or a gradient is not finite. The weights are then those before the step.
/// - If a checkpoint cannot be written. Earlier checkpoints are then untouched.
/// - If this is a new run and its folder already holds checkpoints.
/// - If another rank fails: [`TrainError::OtherRank`].
pub fn fit(fit: Fit<'_>) -> Result<Outcome, TrainError> {
    let (policy, ranks) = (fit.config.policy(), fit.ranks);
    let mut run = agree_on_success(ranks, Run::start(fit))?;
    run.check_ranks_are_alike()?;
    if let Some(reason) = run.budget_spent_before()?
        && run.step() < policy.total_steps
    {
        return run.stop(reason);
    }
    let evaluated = run.evaluate_if_due();
    agree_on_success(ranks, evaluated)?;
    while run.step() < policy.total_steps && !run.ends_early()? {
        run.take_step()?;
        let (step, stop) = (run.step(), run.stop_reason()?);
        let actions = policy.after_step(step, stop.is_some());
        let is_saved = actions.contains(&Action::Save);
        let done = actions.into_iter().try_for_each(|action| run.perform(action));
        agree_on_success(ranks, done)?;
        if !is_saved && run.ends_early()? {
            let saved = run.perform(Action::Save);
            agree_on_success(ranks, saved)?;
        }
        agree_on_success(ranks, run.poll_writer())?;
        if let Some(reason) = stop
            && step < policy.total_steps
        {
            return run.stop(reason);
        }
    }
    run.finish()
}
