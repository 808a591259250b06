//! Checkpoints of a run: copied here, written by the [`crate::saver`].

use std::collections::BTreeMap;

use sst_core::Event;
use sst_core::objective::StateDict;

use super::run::Run;
use crate::error::TrainError;
use crate::saver::files;
use crate::saver::snapshot::{Snapshot, to_host};
use crate::saver::writer::Written;
use crate::state::{Best, Exported, STATE_VERSION, TrainerState};
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
        let model =
            self.with_weights(averaged, |run| (run.fit.export)(&*run.fit.model, &run.metrics))?;
        let mut tensors = vec![
            (files::OPTIMIZER, to_host(&self.optimizer.state())?),
            (files::OBJECTIVE, self.objective_state()?),
        ];
        if let Some(ema) = &self.ema {
            tensors.push((files::EMA, to_host(&ema.state())?));
        }
        if averaged {
            tensors.push((files::WEIGHTS, self.fit.model.params().to_cpu()?));
        }
        let trainer = TrainerState {
            version: STATE_VERSION,
            sst_version: env!("CARGO_PKG_VERSION").to_owned(),
            step: self.step,
            spent: self.spent(),
            position: self.loader.position(),
            seed: self.fit.config.seed,
            model: if averaged { Exported::Ema } else { Exported::Raw },
            scaler: self.scaler.as_ref().map(|scaler| scaler.state()),
            ema_updates: self.ema.as_ref().map(|ema| ema.updates()),
            halvings: self.micro.halvings(),
            window,
            metrics: self.metrics.clone(),
            evaluated: self.evaluated,
            best: self.best.clone(),
            ledger: self.fit.ledger.entries(),
        };
        Ok(Snapshot { model, tensors, trainer })
    }

    /// The objective's parameters under `param.` and the rest of its state under `state.`.
    fn objective_state(&self) -> Result<StateDict, TrainError> {
        let state = to_host(&self.fit.objective.state()?)?;
        let state = state.into_iter().map(|(name, tensor)| (format!("state.{name}"), tensor));
        let params = match self.fit.objective.params() {
            Some(params) => params.to_cpu()?,
            None => BTreeMap::new(),
        };
        let params = params.into_iter().map(|(name, tensor)| (format!("param.{name}"), tensor));
        Ok(state.chain(params).collect())
    }
}
