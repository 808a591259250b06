//! What a run tells: means since the last report, evaluations, events.

use std::time::Instant;

use sst_core::{Event, Metrics, with_values};

use super::Fit;
use super::run::Run;
use super::task::TaskEvaluator;
use crate::ema::Ema;
use crate::error::TrainError;
use crate::memory;
use crate::window::{MetricWindow, WindowState};

impl Run<'_> {
    /// Reports the means since the last report and starts anew.
    pub(super) fn log(&mut self) -> Result<(), TrainError> {
        self.finite.look()?;
        let sums = self.pause()?;
        let config = &self.fit.config;
        let mut metrics = sums.metrics(&self.fit.tasks.names());
        metrics.insert("lr".into(), config.learning_rate(self.step.saturating_sub(1)));
        if let Some(scaler) = &self.scaler {
            metrics.insert("loss_scale".into(), scaler.state().scale.into());
        }
        let mut timing = sums.timing();
        // Utilisation as PaLM (appendix B) and nanoGPT define it; padding is no progress.
        if let (Some(flops), Some(peak), Some(rate)) =
            (config.flops_per_token, self.peak, timing.get("tokens_per_second"))
        {
            // The rate is that of all ranks together.
            let peak = peak * self.fit.ranks.world() as f64;
            timing.insert("mfu".into(), flops * rate / peak);
        }
        timing.extend(memory::usage(config.device)?);
        self.window = MetricWindow::new(self.fit.tasks.list.len());
        self.remember("train", &metrics);
        self.logged = Some(self.step);
        self.tell(&Event::Step { step: self.step, metrics, timing })?;
        self.resume_clock();
        Ok(())
    }

    /// Runs the evaluators, on the average of the weights if that is asked for.
    pub(super) fn evaluate(&mut self) -> Result<(), TrainError> {
        self.finite.look()?;
        self.pause()?;
        let averaged = self.fit.config.ema.is_some_and(|ema| ema.evaluate);
        let mut figures = Vec::new();
        self.with_weights(averaged, |run| {
            let Fit { model, tasks, evaluators, .. } = &mut run.fit;
            for TaskEvaluator { name, task, evaluator } in evaluators.iter_mut() {
                let task = task.and_then(|task| tasks.list.get(task));
                let objective = task.map(|task| &*task.objective);
                let report = evaluator.evaluate(&**model, objective)?;
                figures.push((name.clone(), report.metrics));
            }
            Ok(())
        })?;
        for (name, metrics) in figures {
            self.remember(&format!("eval/{name}"), &metrics);
            if let (None, Some(loss)) = (&self.held_out, metrics.get("loss")) {
                self.held_out = Some((format!("eval/{name}/loss"), *loss));
            }
            self.tell(&Event::Evaluation { step: self.step, name, metrics })?;
        }
        self.evaluated = Some(self.step);
        if let Some(by) = &self.fit.config.retention.by {
            let Some(value) = self.metrics.get(&by.metric) else {
                let known: Vec<_> =
                    self.metrics.keys().filter(|name| name.starts_with("eval/")).collect();
                let reason = format!("no evaluator reports `{}`; there are {known:?}", by.metric);
                return Err(TrainError::Config { key: "train.keep.by.metric", reason });
            };
            self.held_out = Some((by.metric.clone(), *value));
        }
        self.resume_clock();
        Ok(())
    }

    /// Runs `work` while the model has its fp32 weights, or their moving average if `averaged` and if the run has one.
    /// Afterwards the model has the weights that it trains with again, also if `work` fails.
    pub(super) fn with_weights<T>(
        &mut self,
        averaged: bool,
        work: impl FnOnce(&mut Self) -> Result<T, TrainError>,
    ) -> Result<T, TrainError> {
        // The average is shown in the fp32 master weights, which the model then takes its weights from.
        let average = self.ema.as_ref().filter(|_| averaged).map(Ema::values);
        with_values(average.unwrap_or_default(), || {
            if let Some(master_weights) = &mut self.master_weights {
                master_weights.show_full()?;
            }
            let result = work(self);
            if let Some(master_weights) = &mut self.master_weights {
                master_weights.show_low()?;
            }
            result
        })
    }

    /// Keeps figures under their logged names. Those that are not finite have no place in JSON.
    fn remember(&mut self, prefix: &str, metrics: &Metrics) {
        for (name, value) in metrics.iter().filter(|(_, value)| value.is_finite()) {
            self.metrics.insert(format!("{prefix}/{name}"), *value);
        }
    }

    /// Ends the time that belongs to steps, once the device has done them.
    pub(super) fn pause(&mut self) -> Result<WindowState, TrainError> {
        // Reading waits for the device; the time after it is the time the steps took.
        self.window.read()?;
        self.window.add_seconds(self.clock.elapsed().as_secs_f64(), 0.0);
        self.resume_clock();
        self.window.read()
    }

    pub(super) fn resume_clock(&mut self) {
        self.clock = Instant::now();
    }

    pub(super) fn tell(&mut self, event: &Event) -> Result<(), TrainError> {
        if self.is_first_rank() {
            for tracker in self.fit.trackers.iter_mut() {
                tracker.on_event(event)?;
            }
        }
        Ok(())
    }
}
