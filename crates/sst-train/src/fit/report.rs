//! The reports of a run: training metrics, evaluations, and the events that trackers receive.

use std::time::Instant;

use sst_core::{Event, Metrics, with_values};

use super::Fit;
use super::run::Run;
use super::task::TaskEvaluator;
use crate::early_stopping::EarlyStoppingState;
use crate::ema::Ema;
use crate::error::TrainError;
use crate::memory;
use crate::policy::Action;
use crate::setting;
use crate::window::{MetricWindow, WindowState};

impl Run<'_> {
    /// Reports the training metrics over the steps since the last report.
    pub(super) fn log(&mut self) -> Result<(), TrainError> {
        self.finite.read_deferred()?;
        let sums = self.pause_step_clock()?;
        let config = &self.fit.config;
        let mut metrics = sums.metrics(&self.fit.tasks.names());
        metrics.insert("lr".into(), config.learning_rate(self.step.saturating_sub(1)));
        if let Some(scaler) = &self.scaler {
            metrics.insert("loss_scale".into(), scaler.state().scale.into());
        }
        let mut timing = sums.timing();
        // The model FLOPs utilisation of PaLM (appendix B) and nanoGPT. Padding does not count.
        if let (Some(flops), Some(peak), Some(rate)) =
            (config.flops_per_token, self.peak, timing.get("tokens_per_second"))
        {
            // The tokens per second are those of all ranks together.
            let peak = peak * self.fit.ranks.world() as f64;
            timing.insert("mfu".into(), flops * rate / peak);
        }
        timing.extend(memory::usage(config.device)?);
        self.window = MetricWindow::new(self.fit.tasks.list.len());
        self.keep_latest("train", &metrics);
        self.logged = Some(self.step);
        self.notify(&Event::Step { step: self.step, metrics, timing })?;
        self.resume_step_clock();
        Ok(())
    }

    /// Makes the evaluation that was due at the step of the checkpoint, for a run that was stopped there before it. So a
    /// resumed run has the evaluations of one that was never stopped.
    pub(super) fn evaluate_if_due(&mut self) -> Result<(), TrainError> {
        let policy = self.fit.config.policy();
        let is_due = policy.after_step(self.step, false).contains(&Action::Evaluate);
        if self.step == 0 || !is_due || self.evaluated == Some(self.step) {
            return Ok(());
        }
        self.perform(Action::Evaluate)?;
        self.rank();
        Ok(())
    }

    /// Runs the evaluators, on the moving average of the weights if the settings say so.
    pub(super) fn evaluate(&mut self) -> Result<(), TrainError> {
        self.finite.read_deferred()?;
        self.pause_step_clock()?;
        let averaged = self.fit.config.ema.is_some_and(|ema| ema.evaluate);
        let mut results = Vec::new();
        self.with_weights(averaged, |run| {
            let Fit { model, tasks, evaluators, .. } = &mut run.fit;
            for TaskEvaluator { name, task, evaluator } in evaluators.iter_mut() {
                let train_task = task.and_then(|index| tasks.list.get(index));
                let objective = train_task.map(|train_task| &*train_task.objective);
                let report = evaluator.evaluate(&**model, objective)?;
                results.push((name.clone(), report.metrics));
            }
            Ok(())
        })?;
        for (name, metrics) in results {
            self.keep_latest(&format!("eval/{name}"), &metrics);
            if let (None, Some(loss)) = (&self.ranking_metric, metrics.get("loss")) {
                self.ranking_metric = Some((format!("eval/{name}/loss"), *loss));
            }
            self.notify(&Event::Evaluation { step: self.step, name, metrics })?;
        }
        self.evaluated = Some(self.step);
        let config = &self.fit.config;
        if let Some(by) = &config.retention.by {
            let Some(value) = self.metrics.get(&by.metric) else {
                let known: Vec<_> =
                    self.metrics.keys().filter(|name| name.starts_with("eval/")).collect();
                let reason = format!("no evaluator reports `{}`; there are {known:?}", by.metric);
                return Err(TrainError::Config { setting: setting::BEST_METRIC, reason });
            };
            self.ranking_metric = Some((by.metric.clone(), *value));
        }
        if let (Some(rule), Some((_, value))) = (config.early_stopping, &self.ranking_metric) {
            let direction = config.retention.by.as_ref().map(|by| by.direction).unwrap_or_default();
            let state =
                EarlyStoppingState::after(self.early_stopping, *value, direction, rule.min_delta);
            self.early_stopping = Some(state);
        }
        self.resume_step_clock();
        Ok(())
    }

    /// Runs `work` while the model has its fp32 weights, or their moving average if `averaged` is true and the run has
    /// one. Afterwards the model again has the weights that it trains with, also if `work` fails.
    pub(super) fn with_weights<T>(
        &mut self,
        averaged: bool,
        work: impl FnOnce(&mut Self) -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        // With master weights, the average takes the place of the fp32 weights, which are then given to the model.
        let average = self.ema.as_ref().filter(|_| averaged).map(Ema::values);
        with_values(average.unwrap_or_default(), || {
            if let Some(master_weights) = &mut self.master_weights {
                master_weights.show_fp32()?;
            }
            let result = work(self);
            if let Some(master_weights) = &mut self.master_weights {
                master_weights.show_bf16()?;
            }
            result
        })
    }

    /// Keeps metrics under their logged names, as the latest values. Values that are not finite are left out, because
    /// JSON cannot represent them.
    fn keep_latest(&mut self, prefix: &str, metrics: &Metrics) {
        for (name, value) in metrics.iter().filter(|(_, value)| value.is_finite()) {
            self.metrics.insert(format!("{prefix}/{name}"), *value);
        }
    }

    /// Waits until the device has finished all steps, adds the time that they took to the window, and returns its sums.
    pub(super) fn pause_step_clock(&mut self) -> Result<WindowState, TrainError> {
        // Reading the sums waits for the device, so the clock is read afterwards.
        self.window.read()?;
        self.window.add_seconds(self.step_clock.elapsed().as_secs_f64(), 0.0);
        self.resume_step_clock();
        self.window.read()
    }

    /// From now on, the elapsed time belongs to steps.
    pub(super) fn resume_step_clock(&mut self) {
        self.step_clock = Instant::now();
    }

    /// Sends an event to the trackers, on rank 0 alone.
    pub(super) fn notify(&mut self, event: &Event) -> Result<(), TrainError> {
        if self.is_first_rank() {
            for tracker in self.fit.trackers.iter_mut() {
                tracker.on_event(event)?;
            }
        }
        Ok(())
    }
}
