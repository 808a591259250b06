//! The tasks of a run with their data: rows, loaders, evaluators, and which task each step trains.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;
use sst_core::{Model, Objective, Ranks};
use sst_data::Ledger;
use sst_data::Processor;
use sst_data::batching::Position;
use sst_data::loader::{Loader, LoaderConfig};
use sst_data::mixture::Mixture;
use sst_data::rows::{Dataset, Subset};
use sst_eval::{Input, InputKind, ObjectiveRows, RecordRows};
use sst_train::{OpenLoader, TaskEvaluator, TrainError};

use crate::batching;
use crate::error::{Result, RunError};
use crate::prepared::CheckedRecipe;
use crate::recipe::{Batching, MOST_STEPS, Problem, RunConfig, Scale, Task, keys};
use crate::task_rows::PreparedData;

/// The number of finished steps that the loader keeps ready.
const PREFETCH: usize = 4;
/// The number of rows that are sampled to estimate the mean row length.
const SAMPLED: u64 = 4096;

/// A task with its prepared data.
pub(crate) struct TaskData<'r> {
    pub(crate) task: &'r Task,
    pub(crate) data: PreparedData,
    pub(crate) train: Arc<dyn Dataset>,
    pub(crate) held_out: Arc<dyn Dataset>,
    tokens_per_row: f64,
}

impl<'r> TaskData<'r> {
    /// Prepares the data of `task`, or loads it from the cache.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(crate) fn read(
        recipe: &CheckedRecipe,
        task: &'r Task,
        processor: &Processor,
        ledger: &Ledger,
    ) -> Result<Self> {
        let data = recipe.prepare(task, processor, ledger)?;
        let fraction = task.data.validation;
        let train = recipe.rows(task, &data, Subset::Train { fraction }, processor, ledger)?;
        let held_out = Subset::Validation { fraction };
        let held_out = recipe.rows(task, &data, held_out, processor, ledger)?;
        warn_of_repeated(recipe, task, train.len());
        let sampled = train.len().min(SAMPLED);
        let row = |i: u64| i * train.len() / sampled.max(1);
        let sum: usize = (0..sampled).map(|i| train.row_length(row(i))).sum();
        let tokens_per_row = (sum as f64 / sampled.max(1) as f64).max(1.0);
        Ok(Self { task, data, train, held_out, tokens_per_row })
    }

    /// The warning for a task whose validation part is empty.
    fn nothing_held_out(&self) -> String {
        let (documents, fraction) = (self.data.num_documents(), self.task.data.validation);
        let key = self.task.key("data.validation");
        let only = if documents == 1 {
            "the only document".to_owned()
        } else {
            format!("all {documents} documents")
        };
        format!(
            "nothing will be evaluated: {only} fell into the training part, because each document is held out with \
             probability {fraction} ({key}). Check with `sst data inspect` that all data is read; if it is, raise {key}"
        )
    }

    /// The warning for a task whose validation part has fewer rows than the `least` that its objective compares.
    fn too_few_held_out(&self, least: usize) -> String {
        let (rows, name) = (self.held_out.len(), self.task.objective_name());
        let key = self.task.key("data.validation");
        format!(
            "nothing will be evaluated: `{name}` compares rows with each other and needs at least {least}, but {rows} of \
             {} fell into the held-out part: raise {key}",
            rows + self.train.len()
        )
    }

    /// The evaluators that the objective's entry names, on the validation rows of this task; none if there are no such
    /// rows. `index` is the index of the task in the run.
    fn evaluators(
        &self,
        index: usize,
        recipe: &CheckedRecipe,
        objective: &dyn Objective,
    ) -> Result<Vec<TaskEvaluator>> {
        let config = &recipe.config;
        let task = self.task;
        if self.held_out.is_empty() {
            if task.data.validation > 0.0 {
                tracing::warn!("{}", self.nothing_held_out());
            }
            return Ok(Vec::new());
        }
        let entry = sst_objectives::entry(task.objective_name())?;
        if self.held_out.len() < entry.least_rows as u64 {
            tracing::warn!("{}", self.too_few_held_out(entry.least_rows));
            return Ok(Vec::new());
        }
        let batch_size = config.train.batching.rule.eval_rows(task.data.max_length);
        let seed = config.run.seed;
        let build = |name: &&str| -> Result<TaskEvaluator> {
            let entry = sst_eval::entry(name).map_err(sst_core::Error::from)?;
            // The intervals of a bootstrap are for the evaluation of a finished model.
            let settings = [
                ("batch_size", json!(batch_size)),
                ("seed", json!(seed)),
                ("bootstrap_samples", json!(0)),
            ];
            let rows = Arc::clone(&self.held_out);
            let input = match entry.input {
                InputKind::Records => Input::Records(RecordRows {
                    rows,
                    labels: self.data.labels().unwrap_or_default().to_vec(),
                    gold_answers: BTreeMap::new(),
                }),
                _ => Input::ObjectiveRows(ObjectiveRows {
                    objective: objective.name().to_owned(),
                    collate: objective.collate(),
                    rows,
                }),
            };
            let evaluator = entry.build(&entry.config_with(settings), input);
            let evaluator = evaluator.map_err(sst_core::Error::from)?;
            Ok(TaskEvaluator::of_task(index, &task.name, evaluator))
        };
        let mut evaluators = entry.held_out.iter().map(build).collect::<Result<Vec<_>>>()?;
        if let (Some(online), PreparedData::Pictures(store)) =
            (&config.train.online_eval, &self.data)
        {
            let settings = [("batch_size", json!(batch_size)), ("seed", json!(seed))];
            for evaluator in recipe.online_evaluators(task, store, online, &settings)? {
                evaluators.push(TaskEvaluator::of_task(index, &task.name, evaluator));
            }
        }
        Ok(evaluators)
    }
}

/// Warns if a step of an objective that compares rows with each other has more rows than there are, so that it compares a row
/// with itself.
fn warn_of_repeated(recipe: &CheckedRecipe, task: &Task, rows: u64) {
    let name = task.objective_name();
    let compares = sst_objectives::entry(name).is_ok_and(|entry| entry.least_rows > 1);
    let Batching::Rows { batch_size, .. } = &recipe.config.train.batching.rule else { return };
    if compares && *batch_size as u64 > rows {
        tracing::warn!(
            "a step has {batch_size} rows (train.batch_size), and there are only {rows} to train on: `{name}` compares each row \
             with the others of its step, among which it is itself again. Lower train.batch_size"
        );
    }
}

/// The tasks of a run in the order of the recipe.
pub(crate) struct TaskSet<'r> {
    recipe: &'r CheckedRecipe,
    pub(crate) list: Vec<TaskData<'r>>,
    /// The mean number of rows and tokens of a step, which converts durations to steps.
    pub(crate) scale: Scale,
    pub(crate) total_steps: u64,
    pub(crate) mixture: Mixture,
    /// The number of steps of each task.
    steps: Vec<u64>,
}

impl<'r> TaskSet<'r> {
    /// Reads the data of every task.
    ///
    /// # Errors
    /// If data cannot be read, or the tasks cannot be mixed as the recipe says.
    pub(crate) fn read(
        recipe: &'r CheckedRecipe,
        processor: &Processor,
        ledger: &Ledger,
    ) -> Result<Self> {
        let config = &recipe.config;
        let tasks = config.tasks.list.iter();
        let list = tasks.map(|task| TaskData::read(recipe, task, processor, ledger));
        let list: Vec<_> = list.collect::<Result<_>>()?;
        let rows: Vec<u64> = list.iter().map(|data| data.train.len()).collect();
        let all: u64 = rows.iter().sum();
        let tokens: f64 = list.iter().map(|d| d.tokens_per_row * d.train.len() as f64).sum();
        let scale = config.train.batching.rule.scale(all, tokens / all.max(1) as f64);
        let total_steps = config.train.steps.total_steps(scale).unwrap_or(0).max(1);
        if total_steps > MOST_STEPS {
            let message = format!("makes {total_steps} steps of this data, more than {MOST_STEPS}");
            return Err(recipe.refuse(Problem::new("train.steps", message)));
        }
        let mixture = config.tasks.mixture(&rows, scale, total_steps);
        let mixture =
            mixture.map_err(|error| RunError::Settings(format!("{error}{}", keys(&error))))?;
        let steps = mixture.counts(config.run.seed, 0..total_steps);
        Ok(Self { recipe, list, scale, total_steps, mixture, steps })
    }

    /// The names of the outputs of the head that is trained; `None` if no objective has classes.
    ///
    /// # Errors
    /// If two tasks need different outputs, or an objective cannot learn the labels of its data.
    pub(crate) fn outputs(&self) -> Result<Option<Vec<String>>> {
        let labels = self.list.iter().map(|data| data.data.labels().unwrap_or_default());
        self.recipe.outputs(self.list.iter().map(|data| data.task).zip(labels))
    }

    /// The floating-point operations per token in training, averaged over the steps of the run; `None` if the model
    /// does not report them.
    pub(crate) fn flops_per_token(
        &self,
        model: &dyn Model,
        objectives: &[Box<dyn Objective>],
    ) -> Option<f64> {
        // Formulas are for rows of tokens.
        if self.list.iter().any(|data| matches!(data.data, PreparedData::Pictures(_))) {
            return None;
        }
        let mut sum = 0.0;
        for ((data, objective), steps) in self.list.iter().zip(objectives).zip(&self.steps) {
            let length = data.tokens_per_row.round() as usize;
            sum +=
                *steps as f64 * model.flops_per_token(length, objective.head_token_fraction())?;
        }
        Some(sum / self.total_steps as f64)
    }

    /// Functions that open the loader of each task at a position.
    ///
    /// # Errors
    /// If rows cannot be batched as the recipe says.
    pub(crate) fn open_loaders(
        &self,
        objectives: &[Box<dyn Objective>],
        processor: &Processor,
    ) -> Result<Vec<Box<OpenLoader<'static>>>> {
        let tasks = self.list.iter().zip(objectives).zip(&self.steps);
        let open = tasks.map(|((data, objective), steps)| {
            open_loader(&self.recipe.config, data, &**objective, processor, (*steps).max(1))
        });
        open.collect()
    }

    /// The evaluators of all tasks on their validation rows. `objectives` are the objectives of the tasks, in order.
    ///
    /// # Errors
    /// If an objective names an evaluator that cannot be made for it.
    pub(crate) fn evaluators(
        &self,
        objectives: &[Box<dyn Objective>],
    ) -> Result<Vec<TaskEvaluator>> {
        let tasks = self.list.iter().zip(objectives).enumerate();
        let evaluators = tasks
            .map(|(index, (data, objective))| data.evaluators(index, self.recipe, &**objective));
        Ok(evaluators.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
    }
}

/// Returns the function that opens the loader of a task, which takes `steps` steps, at a position.
fn open_loader(
    config: &RunConfig,
    data: &TaskData<'_>,
    objective: &dyn Objective,
    processor: &Processor,
    steps: u64,
) -> Result<Box<OpenLoader<'static>>> {
    let rows = Arc::clone(&data.train);
    let scale = config.train.batching.rule.scale(rows.len(), data.tokens_per_row);
    let rule = batching::rule(config, data.task, &rows, processor, scale, steps)?;
    let (seed, workers) = (config.run.seed, data.task.data.workers);
    let collate = objective.collate();
    Ok(Box::new(move |from: Position, ranks: &dyn Ranks| {
        let (rank, world) = (ranks.rank(), ranks.world());
        let settings = LoaderConfig { seed, workers, prefetch: PREFETCH, rank, world };
        let (rows, collate) = (Arc::clone(&rows), Arc::clone(&collate));
        let loader = Loader::new(rows, collate, Arc::clone(&rule), settings, from);
        loader.map_err(TrainError::from)
    }))
}
