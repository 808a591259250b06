//! A run in progress: its steps, its actions and its end.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sst_core::{Metrics, Verdict};
use sst_data::loader::Loader;
use tch::Device;

use super::{Fit, Outcome, StopReason};
use crate::agree::agree_on_success;
use crate::config::FitConfig;
use crate::early_stopping::EarlyStoppingState;
use crate::ema::Ema;
use crate::error::TrainError;
use crate::finite::FiniteCheck;
use crate::master_weights::MasterWeights;
use crate::micro::MicroBatchSplit;
use crate::optim::Optimizer;
use crate::policy::{Action, Best};
use crate::profile::Profile;
use crate::saver::writer::Writer;
use crate::scaler::Scaler;
use crate::state::Spent;
use crate::step::Step;
use crate::unfreeze::Unfreezing;
use crate::window::MetricWindow;

/// A run in progress.
pub(super) struct Run<'a> {
    pub(super) fit: Fit<'a>,
    pub(super) optimizer: Optimizer,
    /// The loss scaler of a run in fp16.
    pub(super) scaler: Option<Scaler>,
    /// The fp32 and bf16 weights of a run with bf16 weights.
    pub(super) master_weights: Option<MasterWeights>,
    pub(super) ema: Option<Ema>,
    pub(super) split: MicroBatchSplit,
    pub(super) finite: FiniteCheck,
    pub(super) window: MetricWindow,
    /// The loader of each task.
    pub(super) loaders: Vec<Loader>,
    pub(super) writer: Writer,
    /// The number of steps done.
    pub(super) step: u64,
    /// The tokens of the whole run, and the seconds that it took before the latest resume.
    pub(super) spent: Spent,
    /// The time of the start or of the latest resume.
    pub(super) started: Instant,
    /// The time since which the elapsed time belongs to steps, and not to evaluations or checkpoints.
    pub(super) step_clock: Instant,
    pub(super) profile: Option<Profile>,
    /// The peak speed of matrix products in floating-point operations per second, if it was measured.
    pub(super) peak: Option<f64>,
    /// The latest value of each metric under its logged name.
    pub(super) metrics: Metrics,
    /// The step of the latest evaluation.
    pub(super) evaluated: Option<u64>,
    /// The step of the latest report of training metrics.
    pub(super) logged: Option<u64>,
    /// The name and value of the metric that checkpoints are ranked by, if it was measured at this step.
    pub(super) ranking_metric: Option<(String, f64)>,
    /// The best checkpoints so far, the best one first.
    pub(super) best: Vec<Best>,
    /// The evaluations so far, for a run that may end early.
    pub(super) early_stopping: Option<EarlyStoppingState>,
    /// The layers that are unfrozen one after the other.
    pub(super) unfreezing: Option<Unfreezing>,
}

impl Run<'_> {
    /// The number of steps done.
    pub(super) fn step(&self) -> u64 {
        self.step
    }

    /// The tokens and seconds of the whole run until now.
    pub(super) fn spent(&self) -> Spent {
        let seconds = self.spent.seconds + self.started.elapsed().as_secs_f64();
        Spent { seconds, ..self.spent }
    }

    /// Whether this process is the one that evaluates, saves and reports.
    pub(super) fn is_first_rank(&self) -> bool {
        self.fit.ranks.rank() == 0
    }

    /// Why all ranks have to stop after this step; `None` to go on.
    pub(super) fn stop_reason(&self) -> Result<Option<StopReason>, TrainError> {
        self.agree_to_stop(match self.fit.stop.load(Ordering::SeqCst) {
            true => Some(StopReason::Asked),
            false => self.exhausted_budget(self.spent()),
        })
    }

    /// The budget that was already used up when the run started or resumed; `None` if there is some left.
    pub(super) fn budget_spent_before(&self) -> Result<Option<StopReason>, TrainError> {
        self.agree_to_stop(self.exhausted_budget(self.spent))
    }

    /// Whether the metric has not improved for so long that the run ends here. The result is the same on all ranks.
    pub(super) fn ends_early(&self) -> Result<bool, TrainError> {
        let Some(rule) = self.fit.config.early_stopping else { return Ok(false) };
        // Rank 0 alone evaluates.
        let is_due = self.early_stopping.is_some_and(|state| state.since >= rule.patience);
        let verdict = if is_due { Verdict::Stop } else { Verdict::Go };
        Ok(self.fit.ranks.agree(verdict)? >= Verdict::Stop)
    }

    /// Whether all ranks stop, which they do if one of them has a reason. `mine` is the reason of this rank. The result
    /// is the same on all ranks.
    fn agree_to_stop(&self, mine: Option<StopReason>) -> Result<Option<StopReason>, TrainError> {
        let ranks = self.fit.ranks;
        let verdict = if mine.is_some() { Verdict::Stop } else { Verdict::Go };
        if ranks.agree(verdict)? < Verdict::Stop {
            return Ok(None);
        }
        let mut counts = StopReason::ALL.map(|reason| u64::from(mine == Some(reason)));
        ranks.sum(&mut counts)?;
        let first = StopReason::ALL.into_iter().zip(counts).find(|(_, count)| *count > 0);
        Ok(first.map(|(reason, _)| reason))
    }

    /// Checks that all ranks have the same settings and start from the same step.
    ///
    /// # Errors
    /// If a rank differs from rank 0.
    pub(super) fn check_ranks_are_alike(&self) -> Result<(), TrainError> {
        // Only the device may differ from rank to rank.
        let config = FitConfig { device: Device::Cpu, ..self.fit.config.clone() };
        let (step, halvings) = (self.step, self.split.halvings());
        let mine = format!("{step} {halvings} {:?} {config:?}", self.fit.tasks.names());
        let all = self.fit.ranks.gather_bytes(mine.as_bytes())?;
        match all.iter().position(|other| *other != all[0]) {
            None => Ok(()),
            Some(rank) => Err(TrainError::RanksDiffer { rank }),
        }
    }

    /// The budget that is used up once the run has taken `spent`; `None` if there is some left of each.
    fn exhausted_budget(&self, spent: Spent) -> Option<StopReason> {
        let config = &self.fit.config;
        if config.max_tokens.is_some_and(|limit| spent.tokens >= limit) {
            return Some(StopReason::MaxTokens);
        }
        let is_late = config.max_seconds.is_some_and(|limit| spent.seconds >= limit);
        is_late.then_some(StopReason::MaxSeconds)
    }

    /// Performs an action of the policy.
    pub(super) fn perform(&mut self, action: Action) -> Result<(), TrainError> {
        match action {
            Action::Log => self.log(),
            // Rank 0 alone evaluates, saves and deletes. The other ranks only check their latest steps, as rank 0 does
            // before it evaluates or saves, and wait for rank 0 in the agreement that follows.
            _ if !self.is_first_rank() => self.finite.read_deferred(),
            Action::Evaluate => self.evaluate(),
            Action::Save => self.save(),
            Action::Delete(step) => self.fit.saver.delete(step),
        }
    }

    /// Runs the next step.
    pub(super) fn take_step(&mut self) -> Result<(), TrainError> {
        if let Some(profile) = &mut self.profile {
            profile.before_step(self.step)?;
        }
        if let Some(unfreezing) = &mut self.unfreezing {
            unfreezing.before_step(self.step);
        }
        let started = Instant::now();
        let task = self.fit.tasks.mixture.task(self.fit.config.seed, self.step);
        let total_steps = self.fit.config.total_steps;
        let loaded = match self.loaders[task].next() {
            Some(loaded) => loaded.map_err(TrainError::from),
            None => Err(TrainError::DataEnded { step: self.step, total_steps }),
        };
        let waited = started.elapsed().as_secs_f64();
        let mut step = Step {
            config: &self.fit.config,
            ranks: self.fit.ranks,
            model: &*self.fit.model,
            objective: &mut *self.fit.tasks.list[task].objective,
            optimizer: &mut self.optimizer,
            scaler: self.scaler.as_mut(),
            master_weights: self.master_weights.as_mut(),
            ema: self.ema.as_mut(),
            finite: &mut self.finite,
            split: &mut self.split,
            loader: &self.loaders[task],
            ledger: self.fit.ledger,
            fault: self.fit.fault,
        };
        let report = step.run(self.step, loaded)?;
        self.spent.tokens += report.useful_tokens;
        self.window.add(task, report)?;
        self.window.add_seconds(0.0, waited);
        self.step += 1;
        if let Some(profile) = &mut self.profile {
            profile.after_step(self.step, false)?;
        }
        self.ranking_metric = None;
        Ok(())
    }

    /// Ends the run before its last step, when the checkpoint of this step is complete.
    pub(super) fn stop(mut self, reason: StopReason) -> Result<Outcome, TrainError> {
        let ended = self.end();
        agree_on_success(self.fit.ranks, ended)?;
        Ok(Outcome::Stopped { reason, step: self.step, checkpoint: self.checkpoint() })
    }

    /// Ends the run after its last step, when the checkpoint of this step is complete. If the settings say so, the best
    /// checkpoint takes the place of the last one.
    pub(super) fn finish(mut self) -> Result<Outcome, TrainError> {
        let ended = self.end();
        agree_on_success(self.fit.ranks, ended)?;
        let checkpoint = self.checkpoint();
        let is_early = self.step < self.fit.config.total_steps;
        let best = self.best.first().filter(|best| best.step != self.step);
        if let Some(best) = best.filter(|_| self.fit.config.retention.restore_best) {
            let restored = self.fit.saver.checkpoint(best.step);
            let metrics = restored.state()?.metrics_of_step();
            let checkpoint = restored.path().to_owned();
            return Ok(Outcome::Finished { step: self.step, is_early, metrics, checkpoint });
        }
        Ok(Outcome::Finished { step: self.step, is_early, metrics: self.metrics, checkpoint })
    }

    /// The folder of the checkpoint of this step.
    fn checkpoint(&self) -> PathBuf {
        self.fit.saver.path(self.step)
    }
}
