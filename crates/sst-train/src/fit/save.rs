//! The checkpoints of a run. This module copies the state of the run to the host, and [`crate::saver`] writes the copy.

use sst_core::objective::StateDict;
use sst_core::{Event, ParamStore};
use sst_data::loader::Loader;

use super::run::Run;
use super::task::TrainTask;
use crate::error::TrainError;
use crate::policy::Best;
use crate::saver::files;
use crate::saver::snapshot::{Snapshot, to_host};
use crate::saver::writer::Written;
use crate::state::{Exported, STATE_VERSION, TaskState, TrainerState, metrics_of_step};
use crate::task_name::with_task;
use crate::window::WindowState;

impl Run<'_> {
    /// Starts to write a checkpoint of this step. Waits first for the checkpoint that is being written, if there is
    /// one.
    pub(super) fn save(&mut self) -> Result<(), TrainError> {
        self.finite.read_deferred()?;
        let window = self.pause_step_clock()?;
        self.wait_for_writer()?;
        self.rank();
        let snapshot = self.snapshot(window)?;
        if let Some(written) = self.writer.start(snapshot)? {
            self.after_save(written)?;
        }
        self.resume_step_clock();
        Ok(())
    }

    /// Ranks the checkpoint of this step among the best, if its metric was measured.
    pub(super) fn rank(&mut self) {
        if let Some((metric, value)) = self.ranking_metric.take()
            && value.is_finite()
        {
            let new = Best { step: self.step, metric, value };
            let best = std::mem::take(&mut self.best);
            self.best = self.fit.config.retention.rank(best, new);
        }
    }

    /// Reports a checkpoint that has become complete, if there is one. Does not wait.
    pub(super) fn poll_writer(&mut self) -> Result<(), TrainError> {
        match self.writer.poll()? {
            Some(written) => self.after_save(written),
            None => Ok(()),
        }
    }

    /// Ends the profile, waits for the checkpoint that is being written, and reports the end of the run.
    pub(super) fn end(&mut self) -> Result<(), TrainError> {
        if let Some(profile) = &mut self.profile {
            profile.after_step(self.step, true)?;
        }
        self.wait_for_writer()?;
        self.notify(&Event::End { step: self.step })
    }

    /// Waits for the checkpoint that is being written, if there is one.
    fn wait_for_writer(&mut self) -> Result<(), TrainError> {
        match self.writer.wait()? {
            Some(written) => self.after_save(written),
            None => Ok(()),
        }
    }

    /// Reports a checkpoint that has become complete, and deletes the checkpoints that are not kept any longer.
    fn after_save(&mut self, Written { step, path }: Written) -> Result<(), TrainError> {
        self.notify(&Event::Saved { step, path })?;
        let best: Vec<u64> = self.best.iter().map(|best| best.step).collect();
        let saved = self.fit.saver.steps()?;
        for action in self.fit.config.retention.after_save(step, &saved, &best) {
            self.perform(action)?;
        }
        Ok(())
    }

    /// A copy of the state of the run on the host. `window` are the sums since the last report.
    fn snapshot(&mut self, window: WindowState) -> Result<Snapshot, TrainError> {
        let averaged = self.fit.config.ema.is_some_and(|ema| ema.export);
        let metrics = metrics_of_step(&self.metrics, self.step, self.logged, self.evaluated);
        let model =
            self.with_weights(averaged, |run| (run.fit.export)(&*run.fit.model, &metrics))?;
        let mut tensors = vec![
            (files::OPTIMIZER, to_host(&self.optimizer.state())?),
            (files::OBJECTIVE, self.objective_state()?),
        ];
        if let Some(ema) = &self.ema {
            tensors.push((files::EMA, to_host(&ema.state())?));
        }
        if averaged {
            let weights =
                self.with_weights(false, |run| Ok(run.fit.model.params().saved_to_cpu()?))?;
            tensors.push((files::WEIGHTS, weights));
        }
        let trainer = TrainerState {
            version: STATE_VERSION,
            sst_version: env!("CARGO_PKG_VERSION").to_owned(),
            step: self.step,
            spent: self.spent(),
            tasks: self.task_states(),
            seed: self.fit.config.seed,
            model: if averaged { Exported::Ema } else { Exported::Raw },
            scaler: self.scaler.as_ref().map(|scaler| scaler.state()),
            ema_updates: self.ema.as_ref().map(|ema| ema.updates()),
            halvings: self.split.halvings(),
            window,
            metrics: self.metrics.clone(),
            evaluated: self.evaluated,
            logged: self.logged,
            best: self.best.clone(),
            early_stopping: self.early_stopping,
            ledger: self.fit.ledger.entries(),
        };
        Ok(Snapshot { model, tensors, trainer })
    }

    /// The names of the tasks and the positions of their loaders.
    fn task_states(&self) -> Vec<TaskState> {
        let positions = self.loaders.iter().map(Loader::position);
        let tasks = self.fit.tasks.list.iter().zip(positions);
        tasks.map(|(task, position)| TaskState { name: task.name.clone(), position }).collect()
    }

    /// The tensors of all objectives on the host: their parameters as `TASK/param.NAME`, and their other state as
    /// `TASK/state.NAME`. A task without a name has no `TASK/`.
    fn objective_state(&self) -> Result<StateDict, TrainError> {
        let mut all = StateDict::new();
        for TrainTask { name: task, objective, .. } in &self.fit.tasks.list {
            for (name, tensor) in to_host(&objective.state()?)? {
                all.insert(with_task(task, &format!("state.{name}")), tensor);
            }
            let params = objective.params().map(ParamStore::to_cpu).transpose()?;
            for (name, tensor) in params.into_iter().flatten() {
                all.insert(with_task(task, &format!("param.{name}")), tensor);
            }
        }
        Ok(all)
    }
}
