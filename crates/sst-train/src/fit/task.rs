//! What a run trains on: one task, or several in turn.

use std::collections::BTreeSet;

use sst_core::{Evaluator, Objective, Ranks};
use sst_data::batching::Position;
use sst_data::loader::Loader;
use sst_data::mixture::Mixture;

use crate::error::TrainError;
use crate::setting;

/// Opens the data of a task at a position. The rank and the number of ranks go into the loader's
/// [`sst_data::loader::LoaderConfig`], so that each rank reads its share of every batch.
pub type OpenLoader<'a> = dyn Fn(Position, &dyn Ranks) -> Result<Loader, TrainError> + 'a;

/// An objective on a data set.
pub struct TrainTask<'a> {
    /// Its name in figures and checkpoints; empty for the only task of a run.
    pub name: String,
    /// What the model trains on.
    pub objective: &'a mut dyn Objective,
    /// Opens its data.
    pub open_loader: &'a OpenLoader<'a>,
}

/// An evaluator that runs while a model is trained.
pub struct TaskEvaluator {
    /// The name of its figures, which are logged as `eval/NAME/FIGURE`.
    pub name: String,
    /// The place in [`Tasks::list`] of the task whose objective is passed to it; `None` to pass no objective.
    pub task: Option<usize>,
    /// What measures the model.
    pub evaluator: Box<dyn Evaluator>,
}

impl TaskEvaluator {
    /// An evaluator under its own name that is given the objective of the only, or first, task.
    pub fn new(evaluator: Box<dyn Evaluator>) -> Self {
        Self { name: evaluator.name().to_owned(), task: Some(0), evaluator }
    }

    /// An evaluator that is given the objective of the task at place `task`, whose name is `task_name`. Its figures are
    /// named `TASK_NAME/EVALUATOR`, or `EVALUATOR` if the task has no name.
    pub fn of_task(task: usize, task_name: &str, evaluator: Box<dyn Evaluator>) -> Self {
        let name = match task_name {
            "" => evaluator.name().to_owned(),
            _ => format!("{task_name}/{}", evaluator.name()),
        };
        Self { name, task: Some(task), evaluator }
    }
}

/// The tasks of a run, in the order of `mixture`, which says which of them each step is of. They train one
/// model; each has its own data, and its own place in it.
pub struct Tasks<'a> {
    /// The tasks.
    pub list: Vec<TrainTask<'a>>,
    /// Whose turn it is.
    pub mixture: Mixture,
}

impl<'a> Tasks<'a> {
    /// A run of one task.
    pub fn one(objective: &'a mut dyn Objective, open_loader: &'a OpenLoader<'a>) -> Self {
        let list = vec![TrainTask { name: String::new(), objective, open_loader }];
        Self { list, mixture: Mixture::single() }
    }

    /// The tasks' names, in order.
    pub(crate) fn names(&self) -> Vec<&str> {
        self.list.iter().map(|task| task.name.as_str()).collect()
    }

    /// # Errors
    /// If there is no task for every weight, or a name is used twice or missing.
    pub(super) fn check(&self) -> Result<(), TrainError> {
        let (count, names) = (self.list.len(), self.names());
        let reason = if self.mixture.num_tasks() != count {
            format!("there are {count} tasks, and {} that are mixed", self.mixture.num_tasks())
        } else if count > 1 && names.contains(&"") {
            "each of several tasks needs a name".to_owned()
        } else if names.iter().collect::<BTreeSet<_>>().len() != count {
            format!("a name is used twice: {}", names.join(", "))
        } else {
            return Ok(());
        };
        Err(TrainError::Config { setting: setting::TASKS, reason })
    }
}
