//! A run in progress, and the actions that the loop takes on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Instant;

use sst_core::{Event, Metrics, ParamStore, checkpoint::write_tensors};
use sst_data::loader::Loader;

use super::{Fit, Outcome};
use crate::error::TrainError;
use crate::finite::FiniteCheck;
use crate::optim::{Optimizer, param_groups};
use crate::policy::Action;
use crate::saver::files;
use crate::state::{Best, STATE_VERSION, TrainerState};
use crate::step::Step;
use crate::window::{Window, WindowState};

pub(super) struct Run<'a> {
    fit: Fit<'a>,
    optimizer: Optimizer,
    finite: FiniteCheck,
    window: Window,
    loader: Loader,
    /// Steps done.
    step: u64,
    /// When the time that belongs to steps began.
    clock: Instant,
    /// The latest figures under their logged names.
    metrics: Metrics,
    /// The held-out loss of this step, if it was measured.
    held_out: Option<(String, f64)>,
    best: Option<Best>,
}

impl<'a> Run<'a> {
    pub(super) fn start(mut fit: Fit<'a>) -> Result<Self, TrainError> {
        let config = &fit.config;
        for (key, value) in
            [("train.log_every", config.log_every), ("train.steps", config.total_steps)]
        {
            if value == 0 {
                return Err(TrainError::Config { key, reason: "must be at least 1 step".into() });
            }
        }
        let own = fit.objective.params();
        let groups = param_groups(fit.model.params(), own, &config.optimizer);
        let mut optimizer = Optimizer::new(config.optimizer, groups)?;
        // Gradients of an earlier run on this model must not leak into the first step.
        optimizer.reset_gradients()?;

        fit.saver.remove_leftovers()?;
        let state = match fit.resume.take() {
            None if !fit.saver.steps()?.is_empty() => {
                return Err(TrainError::RunExists { path: fit.saver.folder().to_owned() });
            }
            None => None,
            Some(restored) => {
                if restored.state.seed != config.seed {
                    let reason = format!(
                        "it was made with run.seed = {}, and this run has {}",
                        restored.state.seed, config.seed
                    );
                    return Err(TrainError::Resume { path: restored.path, reason });
                }
                optimizer.load_state(restored.optimizer)?;
                fit.saver.rewind_to(restored.state.step)?;
                fit.ledger.restore(restored.state.ledger.clone());
                Some(restored.state)
            }
        };
        let window = state.as_ref().map(|state| state.window.clone()).unwrap_or_default();
        let position = state.as_ref().map(|state| state.position).unwrap_or_default();
        let mut run = Self {
            window: Window::restore(window, config.device)?,
            finite: FiniteCheck::new(config.device.is_cuda()),
            loader: (fit.open_loader)(position)?,
            step: state.as_ref().map_or(0, |state| state.step),
            metrics: state.as_ref().map(|state| state.metrics.clone()).unwrap_or_default(),
            best: state.and_then(|state| state.best),
            clock: Instant::now(),
            held_out: None,
            optimizer,
            fit,
        };
        let own = run.fit.objective.params().map_or(0, ParamStore::num_trainable);
        run.tell(&Event::Start {
            step: run.step,
            total_steps: run.fit.config.total_steps,
            parameters: run.fit.model.params().num_trainable() + own,
        })?;
        Ok(run)
    }

    /// Steps done.
    pub(super) fn step(&self) -> u64 {
        self.step
    }

    /// Does what the policy says.
    pub(super) fn act(&mut self, action: Action) -> Result<(), TrainError> {
        match action {
            Action::Log => self.log(),
            Action::Evaluate => self.evaluate(),
            Action::Save => self.save(),
            Action::Delete(step) => self.fit.saver.delete(step),
        }
    }

    /// Takes one step.
    pub(super) fn advance(&mut self) -> Result<(), TrainError> {
        let started = Instant::now();
        let Some(data) = self.loader.next().transpose()? else {
            let total_steps = self.fit.config.total_steps;
            return Err(TrainError::DataEnded { step: self.step, total_steps });
        };
        let waited = started.elapsed().as_secs_f64();
        let mut step = Step {
            config: &self.fit.config,
            model: &*self.fit.model,
            objective: self.fit.objective,
            optimizer: &mut self.optimizer,
            finite: &mut self.finite,
            ledger: self.fit.ledger,
            fault: self.fit.fault,
        };
        let report = step.take(self.step, &data)?;
        self.window.add(report)?;
        self.window.add_seconds(0.0, waited);
        self.step += 1;
        self.held_out = None;
        Ok(())
    }

    /// Reports the means since the last report and starts anew.
    fn log(&mut self) -> Result<(), TrainError> {
        self.finite.look()?;
        let sums = self.pause()?;
        let mut metrics = sums.metrics();
        metrics.insert("lr".into(), self.fit.config.learning_rate(self.step.saturating_sub(1)));
        self.remember("train", &metrics);
        self.window = Window::restore(WindowState::default(), self.fit.config.device)?;
        self.tell(&Event::Step { step: self.step, metrics, timing: sums.timing() })?;
        self.resume_clock();
        Ok(())
    }

    /// Runs the evaluators.
    fn evaluate(&mut self) -> Result<(), TrainError> {
        self.finite.look()?;
        self.pause()?;
        let evaluators = std::mem::take(&mut self.fit.evaluators);
        for evaluator in evaluators.iter_mut() {
            let name = evaluator.name().to_owned();
            let metrics = evaluator.evaluate(&*self.fit.model)?;
            if let (None, Some(loss)) = (&self.held_out, metrics.get("loss")) {
                self.held_out = Some((format!("eval/{name}/loss"), *loss));
            }
            self.remember(&format!("eval/{name}"), &metrics);
            self.tell(&Event::Evaluation { step: self.step, name, metrics })?;
        }
        self.fit.evaluators = evaluators;
        self.resume_clock();
        Ok(())
    }

    /// Writes a checkpoint and then deletes the old ones that the policy names.
    fn save(&mut self) -> Result<(), TrainError> {
        self.finite.look()?;
        let window = self.pause()?;
        if let Some((metric, value)) = &self.held_out
            && value.is_finite()
            && self.best.as_ref().is_none_or(|best| *value < best.value)
        {
            let (metric, value) = (metric.clone(), *value);
            self.best = Some(Best { step: self.step, metric, value });
        }
        let state = TrainerState {
            version: STATE_VERSION,
            sst_version: env!("CARGO_PKG_VERSION").to_owned(),
            step: self.step,
            position: self.loader.position(),
            seed: self.fit.config.seed,
            window,
            metrics: self.metrics.clone(),
            best: self.best.clone(),
            ledger: self.fit.ledger.entries(),
        };
        let path = self.fit.saver.save(self.step, |folder| {
            (self.fit.export)(&*self.fit.model, &folder.join(files::MODEL), &self.metrics)?;
            write_tensors(&folder.join(files::OPTIMIZER), &self.optimizer.state(), &[])?;
            write_tensors(&folder.join(files::OBJECTIVE), &self.objective_state()?, &[])?;
            files::write_json(&folder.join(files::TRAINER), &state)
        })?;
        self.tell(&Event::Saved { step: self.step, path })?;
        let best = self.best.as_ref().map(|best| best.step);
        let saved = self.fit.saver.steps()?;
        for action in self.fit.config.policy().after_save(self.step, &saved, best) {
            self.act(action)?;
        }
        self.resume_clock();
        Ok(())
    }

    /// The objective's parameters under `param.` and the rest of its state under `state.`.
    fn objective_state(&self) -> Result<sst_core::objective::StateDict, TrainError> {
        let state = self.fit.objective.state()?;
        let state = state.into_iter().map(|(name, tensor)| (format!("state.{name}"), tensor));
        let params = match self.fit.objective.params() {
            Some(params) => params.to_cpu()?,
            None => BTreeMap::new(),
        };
        let params = params.into_iter().map(|(name, tensor)| (format!("param.{name}"), tensor));
        Ok(state.chain(params).collect())
    }

    pub(super) fn stop(mut self) -> Result<Outcome, TrainError> {
        self.tell(&Event::End { step: self.step })?;
        Ok(Outcome::Stopped { step: self.step, checkpoint: self.checkpoint() })
    }

    pub(super) fn finish(mut self) -> Result<Outcome, TrainError> {
        self.tell(&Event::End { step: self.step })?;
        let checkpoint = self.checkpoint();
        Ok(Outcome::Finished { step: self.step, metrics: self.metrics, checkpoint })
    }

    fn checkpoint(&self) -> PathBuf {
        self.fit.saver.path(self.step)
    }

    /// Keeps figures under their logged names. Those that are not finite have no place in JSON.
    fn remember(&mut self, prefix: &str, metrics: &Metrics) {
        for (name, value) in metrics.iter().filter(|(_, value)| value.is_finite()) {
            self.metrics.insert(format!("{prefix}/{name}"), *value);
        }
    }

    /// Ends the time that belongs to steps, once the device has done them.
    fn pause(&mut self) -> Result<WindowState, TrainError> {
        // Reading waits for the device; the time after it is the time the steps took.
        self.window.read()?;
        self.window.add_seconds(self.clock.elapsed().as_secs_f64(), 0.0);
        self.resume_clock();
        self.window.read()
    }

    fn resume_clock(&mut self) {
        self.clock = Instant::now();
    }

    fn tell(&mut self, event: &Event) -> Result<(), TrainError> {
        for tracker in self.fit.trackers.iter_mut() {
            tracker.on_event(event)?;
        }
        Ok(())
    }
}
