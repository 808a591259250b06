//! The stages of a run before its first step, in the order of [`Run::train`].

use std::path::Path;

use serde_json::json;
use sst_core::{Evaluator, Objective};
use sst_data::tokenize::Tokenizer;
use sst_train::{Checkpoint, FitConfig, Precision, ProfileConfig, Restored, Retention, Saver};
use tch::Device;

use super::{Learner, Run};
use crate::error::{Result, RunError};
use crate::observer::Notice;
use crate::prepared::CheckedRecipe;
use crate::recipe::{Checkpointing, Problem, misses};
use crate::tasks::TaskSet;
use crate::{folder, precision, processor};

impl Run {
    /// Whether there is something to go on from. A folder with checkpoints is never started anew.
    pub(super) fn may_start(&self, saver: &Saver) -> Result<bool> {
        let (folder, saved) = (self.folder(), !saver.steps()?.is_empty());
        let beside = self.recipe.written.path().and_then(Path::parent);
        let beside = beside.filter(|place| place.join("checkpoints").is_dir());
        if let Some(beside) = beside.filter(|_| self.resume && !saved) {
            let message = format!(
                "{} holds no checkpoint, but {} does: if that run was moved or renamed, say so with --set \
                 run.dir=FOLDER --set run.name=NAME",
                folder.display(),
                beside.display()
            );
            return Err(RunError::Folder(message));
        }
        if saved && !self.resume {
            let message = format!(
                "{} holds checkpoints of an earlier run: go on with --resume, or start another run with \
                 --set run.name=NAME",
                folder.display()
            );
            return Err(RunError::Folder(message));
        }
        if self.resume && !saved {
            self.recipe.observer.notice(&Notice::StartingAnew { folder });
        }
        Ok(saved)
    }

    /// The device and the precision. A resumed run keeps its precision where the recipe leaves it open, and is refused if
    /// the recipe asks for other learning than before.
    pub(super) fn open_device(&mut self, resuming: bool) -> Result<(Device, Precision)> {
        let folder = self.folder();
        let CheckedRecipe { config, observer, .. } = &mut self.recipe;
        let mut is_kept = false;
        if resuming {
            is_kept = precision::keep(config, &folder, &self.allow_change, &**observer)?;
            folder::check_same(&folder, config, &self.allow_change)?;
        }
        let device = self.recipe.device()?;
        let CheckedRecipe { config, observer, .. } = &mut self.recipe;
        let precision = precision::decide(config, device, is_kept, &**observer)?;
        if resuming && device == Device::Cpu {
            processor::compare(&folder::read_environment(&folder)?)?;
        }
        Ok((device, precision))
    }

    /// The tokenizer, which for a resumed run must be the same as before.
    pub(super) fn open_tokenizer(&self, resuming: bool) -> Result<Tokenizer> {
        let tokenizer = self.recipe.tokenizer()?;
        self.ledger.add_unused(tokenizer.unused());
        if resuming {
            let now = json!(tokenizer.fingerprint());
            folder::check_data(&self.folder(), "tokenizer", &now, &[]).map_err(|error| {
                // A tokenizer that was trained again on changed data, for example.
                let source = self.recipe.tokenizer_source().unwrap_or_default();
                RunError::Resume(format!("{error}; the tokenizer is {source}"))
            })?;
        }
        Ok(tokenizer)
    }

    /// The model and the objective of each task. The trained head has an output for each of `classes`, if there are any.
    pub(super) fn learner(
        &self,
        tokenizer: &Tokenizer,
        classes: Option<&[String]>,
        device: Device,
    ) -> Result<Learner> {
        let recipe = &self.recipe;
        let (mut model, carried) = recipe.model(tokenizer, classes, device, &self.ledger)?;
        let tasks = recipe.config.tasks.list.iter();
        let objectives = tasks.map(|task| recipe.objective(task, tokenizer, &*model));
        let objectives = objectives.collect::<Result<_>>()?;
        let checkpointing = &recipe.config.train.activation_checkpointing;
        if *checkpointing != Checkpointing::All(false) {
            let picked = model.checkpoint_layers(&|layer| checkpointing.picks(layer))?;
            if picked == 0 {
                let message = "train.activation_checkpointing picks no layer of the model";
                return Err(RunError::Settings(message.to_owned()));
            }
        }
        Ok(Learner { model, carried, objectives })
    }

    /// The settings of the loop, every duration in steps.
    pub(super) fn fit_config(
        &self,
        tasks: &TaskSet<'_>,
        learner: &Learner,
        device: Device,
        precision: Precision,
    ) -> Result<FitConfig> {
        let config = &self.recipe.config;
        let mut fit_config = config.train.fit_config(tasks.scale, tasks.total_steps);
        fit_config.seed = config.run.seed;
        fit_config.device = device;
        fit_config.precision = precision;
        self.keeps_the_best(&fit_config)?;
        if config.train.measure_mfu {
            let (model, objectives) = (&*learner.model, &learner.objectives);
            fit_config.flops_per_token = tasks.flops_per_token(model, objectives);
        }
        let profile = |steps| ProfileConfig { steps, folder: self.folder().join("profile") };
        fit_config.profile = self.profile.map(profile);
        Ok(fit_config)
    }

    /// Checks in steps what the recipe may say in shares of the run.
    fn keeps_the_best(&self, config: &FitConfig) -> Result<()> {
        let Retention { last, best, .. } = config.retention;
        if last == 0 || best == 0 {
            return Ok(());
        }
        let (eval, save) = (config.eval_every.unwrap_or(0), config.save_every.unwrap_or(0));
        misses(eval, save, Some(config.total_steps)).map_err(|problem| self.recipe.refuse(problem))
    }

    /// What measures the model. The figure that checkpoints are kept for must be of one of them.
    pub(super) fn evaluators(
        &self,
        tasks: &TaskSet<'_>,
        tokenizer: &Tokenizer,
        learner: &Learner,
    ) -> Result<Vec<Box<dyn Evaluator>>> {
        let evaluators = tasks.evaluators(tokenizer, &*learner.model, &learner.objectives)?;
        let Some(by) = &self.recipe.config.train.keep.by else { return Ok(evaluators) };
        let names: Vec<_> = evaluators.iter().map(|one| format!("eval/{}/", one.name())).collect();
        if names.iter().any(|name| by.metric.starts_with(name)) {
            return Ok(evaluators);
        }
        let message = match names.is_empty() {
            true => format!("is \"{}\", and there is nothing to evaluate on", by.metric),
            false => format!("is \"{}\", but figures begin with {}", by.metric, names.join(" or ")),
        };
        Err(self.recipe.refuse(Problem::new("train.keep.by.metric", message)))
    }

    /// The newest good checkpoint of a resumed run, which must not be beyond its last step.
    pub(super) fn checkpoint(
        &self,
        saver: &Saver,
        resuming: bool,
        total_steps: u64,
    ) -> Result<Option<Checkpoint>> {
        let checkpoint = if resuming { saver.latest_good()? } else { None };
        let done = checkpoint.as_ref().map_or(0, Checkpoint::step);
        if done > total_steps {
            let message = format!(
                "{} has done {done} steps, and train.steps asks for {total_steps} in all: raise it to go on",
                self.folder().display(),
            );
            return Err(RunError::Resume(message));
        }
        Ok(checkpoint)
    }

    /// Puts the weights and the state of `checkpoint` into model and objectives.
    pub(super) fn restore(
        &self,
        checkpoint: Option<Checkpoint>,
        learner: &mut Learner,
    ) -> Result<Option<Restored>> {
        let Some(checkpoint) = checkpoint else { return Ok(None) };
        let place = checkpoint.path().to_owned();
        self.recipe.observer.notice(&Notice::Resuming { checkpoint: place });
        let names = self.recipe.config.tasks.list.iter().map(|task| &*task.name);
        let mut named: Vec<(&str, &mut dyn Objective)> = Vec::new();
        for (name, objective) in names.zip(&mut learner.objectives) {
            named.push((name, &mut **objective));
        }
        Ok(Some(checkpoint.restore(&mut *learner.model, &mut named)?))
    }
}
