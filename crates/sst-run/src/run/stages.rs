//! The stages of a run before its first step, in the order in which [`Run::train`] calls them.

use std::path::Path;

use serde_json::json;
use sst_core::{Model, Objective};
use sst_data::Processor;
use sst_train::{
    Checkpoint, FitConfig, Precision, ProfileConfig, Restored, Retention, Saver, TaskEvaluator,
};
use tch::Device;

use super::{Learner, Run};
use crate::error::{Result, RunError};
use crate::observer::Notice;
use crate::prepared::CheckedRecipe;
use crate::recipe::{Checkpointing, ModelChoice, Problem, misses};
use crate::tasks::TaskSet;
use crate::{folder, precision, processor};

impl Run {
    /// Returns whether there is a checkpoint to resume from. A run never starts from the beginning in a folder with
    /// checkpoints.
    pub(super) fn may_start(&self, saver: &Saver) -> Result<bool> {
        let (folder, saved) = (self.folder(), !saver.steps()?.is_empty());
        let beside = self.recipe.written.path().and_then(Path::parent);
        let beside = beside.filter(|place| place.join("checkpoints").is_dir());
        if let Some(beside) = beside.filter(|_| self.resume && !saved) {
            let message = format!(
                "{} holds no checkpoint, but {} does: if that run was moved or renamed, name its place with \
                 --set run.dir=FOLDER --set run.name=NAME",
                folder.display(),
                beside.display()
            );
            return Err(RunError::Folder(message));
        }
        if saved && !self.resume {
            let message = format!(
                "{} holds checkpoints of an earlier run: continue it with --resume, or start another run with \
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

    /// Returns the device and the precision. A resumed run keeps its precision if the recipe says `auto`. It is
    /// refused if the recipe has changed in keys that affect what is learned.
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

    /// Returns the tokenizer and the image processor that the objectives need. For a resumed run the tokenizer must be the
    /// same as before.
    pub(super) fn open_processor(&self, resuming: bool) -> Result<Processor> {
        let processor = self.recipe.processor()?;
        let Some(tokenizer) = processor.find_tokenizer() else { return Ok(processor) };
        self.ledger.add_unused(tokenizer.unused());
        if resuming {
            let now = json!(tokenizer.fingerprint());
            folder::check_data(&self.folder(), "tokenizer", &now, &[]).map_err(|error| {
                // The tokenizer may have been trained again on changed data, for example.
                let source = self.recipe.tokenizer_source().unwrap_or_default();
                RunError::Resume(format!("{error}; the tokenizer is {source}"))
            })?;
        }
        Ok(processor)
    }

    /// Builds the model and the objective of each task. The outputs of the trained head follow from the labels of the data.
    pub(super) fn learner(
        &self,
        processor: &Processor,
        tasks: &TaskSet<'_>,
        device: Device,
    ) -> Result<Learner> {
        let recipe = &self.recipe;
        let outputs = tasks.outputs()?;
        let (mut model, carried) =
            recipe.model(processor, outputs.as_deref(), device, &self.ledger)?;
        let objectives = tasks.list.iter().map(|data| {
            let labels = data.data.labels().unwrap_or_default();
            recipe.objective(data.task, processor, &*model, labels)
        });
        let objectives = objectives.collect::<Result<_>>()?;
        let checkpointing = &recipe.config.train.activation_checkpointing;
        if *checkpointing != Checkpointing::All(false) {
            let picked = model.checkpoint_layers(&|layer| checkpointing.picks(layer))?;
            if picked == 0 {
                let message = "train.activation_checkpointing picks no layer of the model";
                return Err(RunError::Settings(message.to_owned()));
            }
        }
        self.note_equal_views(&*model);
        Ok(Learner { model, carried, objectives })
    }

    /// Notifies the observer if an objective compares views that differ by dropout, and the model has none.
    fn note_equal_views(&self, model: &dyn Model) {
        let config = &self.recipe.config;
        let task = config.tasks.list.iter().find(|task| {
            let entry = sst_objectives::entry(task.objective_name());
            entry.is_ok_and(|entry| entry.needs_dropout)
        });
        let of_type = |entry: &&sst_models::ModelEntry| entry.model_type == model.model_type();
        let entry = sst_models::list().iter().find(of_type);
        let (Some(task), Some(entry)) = (task, entry) else { return };
        let (section, lora) = match &config.model {
            ModelChoice::New { .. } => ("model", None),
            ModelChoice::Folder { lora, .. } => ("model.config", lora.as_ref()),
        };
        let values = model.config();
        let has_dropout = |key: &&str| values[*key].as_f64().is_some_and(|value| value > 0.0);
        let has_lora_dropout = lora.is_some_and(|lora| lora.dropout > 0.0);
        if has_lora_dropout || entry.dropout.iter().any(has_dropout) {
            return;
        }
        let keys = entry.dropout.iter().map(|key| format!("{section}.{key}"));
        let keys = keys.chain(lora.map(|_| "model.lora.dropout".to_owned())).collect();
        let objective = task.objective_name().to_owned();
        self.recipe.observer.notice(&Notice::EqualViews { objective, keys });
    }

    /// The settings of the training loop, with every duration in steps.
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
        self.check_best_is_saved(&fit_config)?;
        if config.train.measure_mfu {
            let (model, objectives) = (&*learner.model, &learner.objectives);
            fit_config.flops_per_token = tasks.flops_per_token(model, objectives);
        }
        let profile = |steps| ProfileConfig { steps, folder: self.folder().join("profile") };
        fit_config.profile = self.profile.map(profile);
        Ok(fit_config)
    }

    /// Checks that evaluated steps are saved, now that fractions of the run are converted to steps.
    fn check_best_is_saved(&self, config: &FitConfig) -> Result<()> {
        let Retention { last, best, .. } = config.retention;
        if last == 0 || best == 0 {
            return Ok(());
        }
        let (eval, save) = (config.eval_every.unwrap_or(0), config.save_every.unwrap_or(0));
        misses(eval, save, Some(config.total_steps)).map_err(|problem| self.recipe.refuse(problem))
    }

    /// Builds the evaluators. The metric of `train.keep.by` must belong to one of them.
    pub(super) fn evaluators(
        &self,
        tasks: &TaskSet<'_>,
        learner: &Learner,
    ) -> Result<Vec<TaskEvaluator>> {
        let evaluators = tasks.evaluators(&learner.objectives)?;
        let Some(by) = &self.recipe.config.train.keep.by else { return Ok(evaluators) };
        let names: Vec<_> = evaluators.iter().map(|one| format!("eval/{}/", one.name)).collect();
        if names.iter().any(|name| by.metric.starts_with(name)) {
            return Ok(evaluators);
        }
        let message = match names.is_empty() {
            true => format!("is \"{}\", but there is no held-out data to evaluate on", by.metric),
            false => format!(
                "is \"{}\", but held-out metrics begin with {}",
                by.metric,
                names.join(" or ")
            ),
        };
        Err(self.recipe.refuse(Problem::new("train.keep.by.metric", message)))
    }

    /// The newest good checkpoint of a resumed run. Its step must not be beyond the last step of the recipe.
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
                "{} has done {done} steps, and train.steps asks for {total_steps} in all: raise it to continue",
                self.folder().display(),
            );
            return Err(RunError::Resume(message));
        }
        Ok(checkpoint)
    }

    /// Loads the weights and the state of `checkpoint` into the model and the objectives.
    pub(super) fn restore(
        &self,
        checkpoint: Option<Checkpoint>,
        learner: &mut Learner,
    ) -> Result<Option<Restored>> {
        let Some(checkpoint) = checkpoint else { return Ok(None) };
        let place = checkpoint.path().to_owned();
        self.recipe.observer.notice(&Notice::Resuming { checkpoint: place });
        sst_models::check_base(&checkpoint.model(), &*learner.model)?;
        let names = self.recipe.config.tasks.list.iter().map(|task| &*task.name);
        let mut named: Vec<(&str, &mut dyn Objective)> = Vec::new();
        for (name, objective) in names.zip(&mut learner.objectives) {
            named.push((name, &mut **objective));
        }
        Ok(Some(checkpoint.restore(&mut *learner.model, &mut named)?))
    }
}
