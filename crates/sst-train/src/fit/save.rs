//! Checkpoints of a run: copied here, written by the [`crate::saver`].

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
use crate::state::{Exported, STATE_VERSION, TaskState, TrainerState, figures_of};
use crate::task_name::of_task;
use crate::window::WindowState;

impl Run<'_> {
    /// Begins a checkpoint of this step, once the one before it is complete.
    pub(super) fn save(&mut self) -> Result<(), TrainError> {
        self.finite.look()?;
        let window = self.pause()?;
        self.wait_for_saver()?;
        if let Some((metric, value)) = self.held_out.take()
            && value.is_finite()
        {
            let new = Best { step: self.step, metric, value };
            let best = std::mem::take(&mut self.best);
            self.best = self.fit.config.retention.rank(best, new);
        }
        let snapshot = self.snapshot(window)?;
        if let Some(written) = self.writer.start(snapshot)? {
            self.saved(written)?;
        }
        self.resume_clock();
        Ok(())
    }

    /// Tells of a checkpoint that became complete, if one did. Does not wait for it.
    pub(super) fn look_at_saver(&mut self) -> Result<(), TrainError> {
        match self.writer.poll()? {
            Some(written) => self.saved(written),
            None => Ok(()),
        }
    }

    /// Waits for the checkpoint being written, and tells that the run ends.
    pub(super) fn end(&mut self) -> Result<(), TrainError> {
        if let Some(profile) = &mut self.profile {
            profile.after(self.step, true)?;
        }
        self.wait_for_saver()?;
        self.tell(&Event::End { step: self.step })
    }

    fn wait_for_saver(&mut self) -> Result<(), TrainError> {
        match self.writer.wait()? {
            Some(written) => self.saved(written),
            None => Ok(()),
        }
    }

    /// Deletes the old checkpoints that need not stay, now that a newer one is complete.
    fn saved(&mut self, Written { step, path }: Written) -> Result<(), TrainError> {
        self.tell(&Event::Saved { step, path })?;
        let best: Vec<u64> = self.best.iter().map(|best| best.step).collect();
        let saved = self.fit.saver.steps()?;
        for action in self.fit.config.retention.after_save(step, &saved, &best) {
            self.act(action)?;
        }
        Ok(())
    }

    fn snapshot(&mut self, window: WindowState) -> Result<Snapshot, TrainError> {
        let averaged = self.fit.config.ema.is_some_and(|ema| ema.export);
        let figures = figures_of(&self.metrics, self.step, self.logged, self.evaluated);
        let model =
            self.with_weights(averaged, |run| (run.fit.export)(&*run.fit.model, &figures))?;
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
            halvings: self.micro.halvings(),
            window,
            metrics: self.metrics.clone(),
            evaluated: self.evaluated,
            logged: self.logged,
            best: self.best.clone(),
            ledger: self.fit.ledger.entries(),
        };
        Ok(Snapshot { model, tensors, trainer })
    }

    fn task_states(&self) -> Vec<TaskState> {
        let places = self.loaders.iter().map(Loader::position);
        let tasks = self.fit.tasks.list.iter().zip(places);
        tasks.map(|(task, position)| TaskState { name: task.name.clone(), position }).collect()
    }

    /// Each objective's parameters under `param.` and the rest of its state under `state.`, with the name of
    /// its task before it.
    fn objective_state(&self) -> Result<StateDict, TrainError> {
        let mut all = StateDict::new();
        for TrainTask { name: task, objective, .. } in &self.fit.tasks.list {
            for (name, tensor) in to_host(&objective.state()?)? {
                all.insert(of_task(task, &format!("state.{name}")), tensor);
            }
            let params = objective.params().map(ParamStore::to_cpu).transpose()?;
            for (name, tensor) in params.into_iter().flatten() {
                all.insert(of_task(task, &format!("param.{name}")), tensor);
            }
        }
        Ok(all)
    }
}
