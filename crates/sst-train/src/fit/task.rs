//! The tasks of a run: one objective, or several that take turns.

use std::collections::BTreeSet;

use sst_core::{Evaluator, Objective, Ranks};
use sst_data::batching::Position;
use sst_data::loader::Loader;
use sst_data::mixture::Mixture;

use crate::error::TrainError;
use crate::setting;

/// Opens a loader for a task at a position. It must put the rank and the number of ranks into
/// [`sst_data::loader::LoaderConfig`], so that each rank reads its share of every batch.
pub type OpenLoader<'a> = dyn Fn(Position, &dyn Ranks) -> Result<Loader, TrainError> + 'a;

/// A task: an objective and its data.
pub struct TrainTask<'a> {
    /// The name of the task in metrics and checkpoints; empty for the only task of a run.
    pub name: String,
    /// The objective.
    pub objective: &'a mut dyn Objective,
    /// Opens a loader for its data.
    pub open_loader: &'a OpenLoader<'a>,
}

/// An evaluator that runs during training.
pub struct TaskEvaluator {
    /// The name of the evaluator. Its metrics are logged as `eval/NAME/METRIC`.
    pub name: String,
    /// The index in [`Tasks::list`] of the task whose objective is passed to the evaluator; `None` to pass no
    /// objective.
    pub task: Option<usize>,
    /// The evaluator.
    pub evaluator: Box<dyn Evaluator>,
}

impl TaskEvaluator {
    /// An evaluator with its own name, to which the objective of the first task is passed.
    pub fn new(evaluator: Box<dyn Evaluator>) -> Self {
        Self { name: evaluator.name().to_owned(), task: Some(0), evaluator }
    }

    /// An evaluator to which the objective of the task with index `task` and name `task_name` is passed. It gets the
    /// name `TASK_NAME/EVALUATOR`, or `EVALUATOR` if the task has no name.
    pub fn of_task(task: usize, task_name: &str, evaluator: Box<dyn Evaluator>) -> Self {
        let name = match task_name {
            "" => evaluator.name().to_owned(),
            _ => format!("{task_name}/{}", evaluator.name()),
        };
        Self { name, task: Some(task), evaluator }
    }
}

/// The tasks of a run. They train the same model in turns: each step belongs to one task. Each task has its own data,
/// and its own position in the data.
pub struct Tasks<'a> {
    /// The tasks, in the order of the weights of `mixture`.
    pub list: Vec<TrainTask<'a>>,
    /// Decides which task a step belongs to.
    pub mixture: Mixture,
}

impl<'a> Tasks<'a> {
    /// A run of one task.
    pub fn one(objective: &'a mut dyn Objective, open_loader: &'a OpenLoader<'a>) -> Self {
        let list = vec![TrainTask { name: String::new(), objective, open_loader }];
        Self { list, mixture: Mixture::single() }
    }

    /// The names of the tasks, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.list.iter().map(|task| task.name.as_str()).collect()
    }

    /// Checks that the tasks fit the mixture and that their names differ.
    ///
    /// # Errors
    /// If the number of tasks is not that of the mixture, or one of several tasks has no name or that of another task.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        let (count, names) = (self.list.len(), self.names());
        let reason = if self.mixture.num_tasks() != count {
            format!(
                "there are {count} tasks, and the mixture is one of {}",
                self.mixture.num_tasks()
            )
        } else if count > 1 && names.contains(&"") {
            "each of several tasks needs a name".to_owned()
        } else if names.iter().collect::<BTreeSet<_>>().len() != count {
            format!("two tasks have the same name: {}", names.join(", "))
        } else {
            return Ok(());
        };
        Err(TrainError::Config { setting: setting::TASKS, reason })
    }
}
