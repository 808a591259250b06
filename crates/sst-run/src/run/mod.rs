//! A run: trains the model that a recipe describes.

mod record;
mod stages;
mod stuck;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;
use sst_core::{Model, Objective, Solo, Tracker};
use sst_data::{Ledger, Processor};
use sst_models::Carried;
use sst_train::{
    Fit, FitConfig, Outcome, Restored, Saver, TaskEvaluator, Tasks, TrainError, TrainTask, fit,
};

use self::record::{exporter, trackers};
use self::stuck::StuckLoss;
use crate::builder::Recipe;
use crate::error::{Result, RunError};
use crate::folder::{self, Environment};
use crate::observer::Notice;
use crate::precision;
use crate::prepared::CheckedRecipe;
use crate::recipe::RunConfig;
use crate::rehearsal::vocab_size;
use crate::run_lock::RunLock;
use crate::tasks::TaskSet;

/// A run that is about to train.
///
/// It writes to `run.dir`/`run.name`: config.toml, environment.json, metrics.jsonl, ledger.json, loss.png, TensorBoard
/// events, and checkpoints/, each of which holds a Hugging Face model folder.
pub struct Run {
    recipe: CheckedRecipe,
    ledger: Ledger,
    resume: bool,
    allow_change: Vec<String>,
    profile: Option<u64>,
    trackers: Vec<Box<dyn Tracker>>,
    stop: Arc<AtomicBool>,
}

/// The model and the objectives that are trained.
struct Learner {
    model: Box<dyn Model>,
    /// If the model was loaded from a folder: the files of that folder to copy into every export.
    carried: Option<Carried>,
    /// One for each task.
    objectives: Vec<Box<dyn Objective>>,
}

/// Everything that the training loop needs.
struct Ready<'r> {
    config: FitConfig,
    processor: Arc<Processor>,
    learner: Learner,
    tasks: TaskSet<'r>,
    evaluators: Vec<TaskEvaluator>,
    trackers: Vec<Box<dyn Tracker>>,
    resume: Option<Restored>,
}

impl Run {
    /// Checks the recipe. Nothing is written, and no data is read, before [`Run::train`].
    ///
    /// # Errors
    /// If anything in the recipe is wrong, with the place where it was written.
    pub fn new(recipe: Recipe) -> Result<Self> {
        let recipe = recipe.check()?;
        let ledger = Ledger::new();
        ledger.add_unused(&recipe.unused());
        Ok(Self {
            recipe,
            ledger,
            resume: false,
            allow_change: Vec::new(),
            profile: None,
            trackers: Vec::new(),
            stop: Arc::default(),
        })
    }

    /// If `on`, the run continues from the newest good checkpoint in its folder, or starts if there is none.
    /// Otherwise a folder with checkpoints is refused.
    pub fn resume(&mut self, on: bool) -> &mut Self {
        self.resume = on;
        self
    }

    /// Allows these keys of the recipe to differ from the run to be resumed. `data` stands for the documents
    /// themselves.
    pub fn allow_change(&mut self, keys: impl IntoIterator<Item = String>) -> &mut Self {
        self.allow_change.extend(keys);
        self
    }

    /// Profiles `steps` steps after the first five, into profile/ of the run folder.
    pub fn profile(&mut self, steps: u64) -> &mut Self {
        self.profile = Some(steps);
        self
    }

    /// Adds a tracker of training events, in addition to those that write the files of the run.
    pub fn tracker(&mut self, tracker: impl Tracker + 'static) -> &mut Self {
        self.trackers.push(Box::new(tracker));
        self
    }

    /// Sets the flag that another thread or a signal handler may set to stop the run: it then finishes its step,
    /// saves a checkpoint and returns [`Outcome::Stopped`].
    pub fn stop_flag(&mut self, flag: Arc<AtomicBool>) -> &mut Self {
        self.stop = flag;
        self
    }

    /// The folder that the run writes to.
    pub fn folder(&self) -> PathBuf {
        self.recipe.config.folder()
    }

    /// Every setting of the run. Values that follow from the data, the tokenizer or the device are filled in by
    /// [`Run::train`].
    pub fn config(&self) -> &RunConfig {
        &self.recipe.config
    }

    /// What was dropped, truncated, skipped or left unused so far.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns the checked recipe with every default as TOML, without training. Notifies the observer of the
    /// precision on this machine.
    ///
    /// # Errors
    /// If this machine does not support the precision of the recipe, or the run would be refused before it reads
    /// data.
    pub fn dry_run(&mut self) -> Result<String> {
        let resolved = self.recipe.config.to_toml()?;
        match self.recipe.device() {
            Ok(device) => {
                let CheckedRecipe { config, observer, .. } = &mut self.recipe;
                precision::decide(config, device, false, &**observer)?;
            }
            // A recipe for a GPU may be checked on a machine without one.
            Err(error) => tracing::warn!("a run on this machine would be refused: {error}"),
        }
        self.recipe.rehearse()?;
        Ok(resolved)
    }

    /// Trains until the last step, until a budget is used up, or until the stop flag is set.
    ///
    /// # Errors
    /// If data, tokenizer or model cannot be read or do not fit each other; if the run folder is in use or cannot be
    /// resumed; or if training fails, with [`TrainError::NonFinite`] for a loss that is not finite.
    pub fn train(&mut self) -> Result<Outcome> {
        let folder = self.folder();
        let _lock = RunLock::take(&folder)?;
        let saver = Saver::new(&folder);
        saver.repair_latest()?;
        let resuming = self.may_start(&saver)?;
        let (device, precision) = self.open_device(resuming)?;

        // Errors that can be found without data are reported before the data is read.
        self.recipe.rehearse_training()?;
        let processor = Arc::new(self.open_processor(resuming)?);
        self.recipe.complete(&processor)?;
        let own_trackers = std::mem::take(&mut self.trackers);
        let run = &*self;
        run.recipe.check_model_folder(vocab_size(&processor))?;
        // The labels of the data say how many outputs a head has.
        let tasks = TaskSet::read(&run.recipe, &processor, &run.ledger)?;
        let mut learner = run.learner(&processor, &tasks, device)?;
        let config = run.fit_config(&tasks, &learner, device, precision)?;
        let environment = Environment {
            device,
            processor: &processor,
            tasks: &tasks.list,
            total_steps: config.total_steps,
            parameters: learner.model.params().num_trainable(),
        };
        if resuming {
            environment.check(&folder, &run.allow_change)?;
        }
        let evaluators = run.evaluators(&tasks, &learner)?;
        let checkpoint = run.checkpoint(&saver, resuming, config.total_steps)?;
        environment.write(&folder, &run.recipe.config)?;
        let resume = run.restore(checkpoint, &mut learner)?;
        let mut trackers = trackers(&folder, resume.as_ref().map_or(0, |r| r.state.step))?;
        trackers.push(Box::new(StuckLoss::default()));
        trackers.extend(own_trackers);
        let ready = Ready { config, processor, learner, tasks, evaluators, trackers, resume };
        run.fit(&saver, ready)
    }

    /// Runs the training loop.
    fn fit(&self, saver: &Saver, ready: Ready<'_>) -> Result<Outcome> {
        let Ready { config, processor, mut learner, tasks, .. } = ready;
        let Ready { mut evaluators, mut trackers, resume, .. } = ready;
        let open_loaders = tasks.open_loaders(&learner.objectives, &processor)?;
        let export = exporter(&self.recipe.config, processor, learner.carried.take());
        let mut list = Vec::new();
        for ((data, objective), open_loader) in
            tasks.list.iter().zip(&mut learner.objectives).zip(&open_loaders)
        {
            let name = data.task.name.clone();
            list.push(TrainTask { name, objective: &mut **objective, open_loader: &**open_loader });
        }
        let observer = &self.recipe.observer;
        observer.training_begins(saver).map_err(RunError::Observer)?;
        let outcome = fit(Fit {
            config,
            ranks: &Solo,
            model: &mut *learner.model,
            tasks: Tasks { list, mixture: tasks.mixture.clone() },
            evaluators: &mut evaluators,
            trackers: &mut trackers,
            saver,
            export: &*export,
            ledger: &self.ledger,
            stop: &self.stop,
            resume,
            fault: self.recipe.config.train.inject.fault(),
        });
        observer.training_ended(&self.ledger);
        self.write_ledger(outcome)
    }

    /// Writes ledger.json, also for a failed run, because it may show the cause. If both fail, the error of the run
    /// is returned.
    fn write_ledger(&self, outcome: Result<Outcome, TrainError>) -> Result<Outcome> {
        let path = self.folder().join("ledger.json");
        let written = folder::write_json(&path, &json!(self.ledger.entries()));
        match (outcome, written) {
            (Ok(outcome), written) => written.map(|()| outcome),
            (Err(error), Ok(())) => Err(RunError::Train(error)),
            (Err(error), Err(unwritten)) => {
                let reason = unwritten.to_string();
                self.recipe.observer.notice(&Notice::LedgerLost { reason });
                Err(RunError::Train(error))
            }
        }
    }
}
