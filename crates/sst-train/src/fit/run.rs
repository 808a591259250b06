//! A run in progress.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Instant;

use sst_core::{Metrics, Verdict};
use sst_data::loader::Loader;
use tch::Device;

use super::{Fit, Outcome, StopReason};
use crate::agree::agree_on_success;
use crate::config::FitConfig;
use crate::ema::Ema;
use crate::error::TrainError;
use crate::finite::FiniteCheck;
use crate::master_weights::MasterWeights;
use crate::micro::Micro;
use crate::optim::Optimizer;
use crate::policy::{Action, Best};
use crate::profile::Profile;
use crate::saver::writer::Writer;
use crate::scaler::Scaler;
use crate::state::Spent;
use crate::step::Step;
use crate::window::MetricWindow;

pub(super) struct Run<'a> {
    pub(super) fit: Fit<'a>,
    pub(super) optimizer: Optimizer,
    /// In fp16.
    pub(super) scaler: Option<Scaler>,
    /// With weights in bf16.
    pub(super) master_weights: Option<MasterWeights>,
    pub(super) ema: Option<Ema>,
    pub(super) micro: Micro,
    pub(super) finite: FiniteCheck,
    pub(super) window: MetricWindow,
    /// One a task.
    pub(super) loaders: Vec<Loader>,
    pub(super) writer: Writer,
    /// Steps done.
    pub(super) step: u64,
    /// Tokens seen, and the seconds of the parts of the run before this one.
    pub(super) spent: Spent,
    /// When this part began.
    pub(super) began: Instant,
    /// When the time that belongs to steps began.
    pub(super) clock: Instant,
    pub(super) profile: Option<Profile>,
    /// Floating-point operations a second of matrix products, if it was measured.
    pub(super) peak: Option<f64>,
    /// The latest figures under their logged names.
    pub(super) metrics: Metrics,
    /// The step they were measured at.
    pub(super) evaluated: Option<u64>,
    /// The step of the latest report of training.
    pub(super) logged: Option<u64>,
    /// The figure that checkpoints are ranked by, if it was measured at this step.
    pub(super) held_out: Option<(String, f64)>,
    pub(super) best: Vec<Best>,
}

impl Run<'_> {
    /// Steps done.
    pub(super) fn step(&self) -> u64 {
        self.step
    }

    /// Tokens and seconds of the whole run until now.
    pub(super) fn spent(&self) -> Spent {
        let seconds = self.spent.seconds + self.began.elapsed().as_secs_f64();
        Spent { seconds, ..self.spent }
    }

    /// Whether this process evaluates, saves and reports.
    pub(super) fn is_first_rank(&self) -> bool {
        self.fit.ranks.rank() == 0
    }

    /// Why all ranks should end now, if they should.
    pub(super) fn stop_reason(&self) -> Result<Option<StopReason>, TrainError> {
        self.agree_to_stop(match self.fit.stop.load(Ordering::SeqCst) {
            true => Some(StopReason::Asked),
            false => self.exhausted(self.spent()),
        })
    }

    /// The budget that was spent before this part of the run began, if one was.
    pub(super) fn spent_before(&self) -> Result<Option<StopReason>, TrainError> {
        self.agree_to_stop(self.exhausted(self.spent))
    }

    /// A reason that one of the ranks has, the same for all of them.
    fn agree_to_stop(&self, mine: Option<StopReason>) -> Result<Option<StopReason>, TrainError> {
        let ranks = self.fit.ranks;
        let verdict = if mine.is_some() { Verdict::Stop } else { Verdict::Go };
        if ranks.agree(verdict)? < Verdict::Stop {
            return Ok(None);
        }
        let mut counts = StopReason::ALL.map(|reason| u64::from(mine == Some(reason)));
        ranks.sum(&mut counts)?;
        let found = StopReason::ALL.into_iter().zip(counts).find(|(_, count)| *count > 0);
        Ok(found.map(|(reason, _)| reason))
    }

    /// # Errors
    /// If a rank has other settings than rank 0, or starts at another step.
    pub(super) fn check_ranks_are_alike(&self) -> Result<(), TrainError> {
        // The device is the one thing in which ranks differ.
        let config = FitConfig { device: Device::Cpu, ..self.fit.config.clone() };
        let (step, halvings) = (self.step, self.micro.halvings());
        let all = format!("{step} {halvings} {:?} {config:?}", self.fit.tasks.names());
        let all = self.fit.ranks.gather_bytes(all.as_bytes())?;
        match all.iter().position(|other| *other != all[0]) {
            None => Ok(()),
            Some(rank) => Err(TrainError::RanksDiffer { rank }),
        }
    }

    fn exhausted(&self, spent: Spent) -> Option<StopReason> {
        let config = &self.fit.config;
        if config.max_tokens.is_some_and(|limit| spent.tokens >= limit) {
            return Some(StopReason::MaxTokens);
        }
        let late = config.max_seconds.is_some_and(|limit| spent.seconds >= limit);
        late.then_some(StopReason::MaxSeconds)
    }

    /// Does what the policy says.
    pub(super) fn act(&mut self, action: Action) -> Result<(), TrainError> {
        match action {
            Action::Log => self.log(),
            // The other ranks wait in the agreement that follows.
            _ if !self.is_first_rank() => self.finite.look(),
            Action::Evaluate => self.evaluate(),
            Action::Save => self.save(),
            Action::Delete(step) => self.fit.saver.delete(step),
        }
    }

    /// Takes one step.
    pub(super) fn advance(&mut self) -> Result<(), TrainError> {
        if let Some(profile) = &mut self.profile {
            profile.before(self.step)?;
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
            micro: &mut self.micro,
            loader: &self.loaders[task],
            ledger: self.fit.ledger,
            fault: self.fit.fault,
        };
        let report = step.take(self.step, loaded)?;
        self.spent.tokens += report.useful_tokens;
        self.window.add(task, report)?;
        self.window.add_seconds(0.0, waited);
        self.step += 1;
        if let Some(profile) = &mut self.profile {
            profile.after(self.step, false)?;
        }
        self.held_out = None;
        Ok(())
    }

    pub(super) fn stop(mut self, reason: StopReason) -> Result<Outcome, TrainError> {
        let ended = self.end();
        agree_on_success(self.fit.ranks, ended)?;
        Ok(Outcome::Stopped { reason, step: self.step, checkpoint: self.checkpoint() })
    }

    pub(super) fn finish(mut self) -> Result<Outcome, TrainError> {
        let ended = self.end();
        agree_on_success(self.fit.ranks, ended)?;
        let checkpoint = self.checkpoint();
        Ok(Outcome::Finished { step: self.step, metrics: self.metrics, checkpoint })
    }

    fn checkpoint(&self) -> PathBuf {
        self.fit.saver.path(self.step)
    }
}
