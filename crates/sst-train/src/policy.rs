//! When a run logs, evaluates, saves and deletes: pure functions that return actions. They do no I/O.

use serde::{Deserialize, Serialize};

/// Something that a run does after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Report the means over the steps since the last report.
    Log,
    /// Run the evaluators.
    Evaluate,
    /// Write a checkpoint of this step.
    Save,
    /// Delete the checkpoint of the given step. Only after a newer checkpoint is complete.
    Delete(u64),
}

/// How often a run logs, evaluates and saves, in steps. It does all three after its last step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The number of steps of the run.
    pub total_steps: u64,
    /// The number of steps between two reports.
    pub log_every: u64,
    /// The number of steps between two evaluations; `None` to evaluate after the last step only.
    pub eval_every: Option<u64>,
    /// The number of steps between two checkpoints; `None` to save after the last step only.
    pub save_every: Option<u64>,
}

impl Policy {
    /// The actions after step `step`, counted from 1, in the order [`Action::Log`], [`Action::Evaluate`],
    /// [`Action::Save`].
    ///
    /// `is_stopping` says that the run ends here, before its last step. It then saves at once, without an evaluation.
    pub fn after_step(&self, step: u64, is_stopping: bool) -> Vec<Action> {
        let is_last = step >= self.total_steps;
        let is_due =
            |every: Option<u64>| is_last || every.is_some_and(|n| step.is_multiple_of(n.max(1)));
        let mut actions = Vec::new();
        if is_due(Some(self.log_every)) {
            actions.push(Action::Log);
        }
        if is_due(self.eval_every) && (is_last || !is_stopping) {
            actions.push(Action::Evaluate);
        }
        if is_due(self.save_every) || is_stopping {
            actions.push(Action::Save);
        }
        actions
    }
}

/// Whether lower or higher values of a metric are better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Lower is better, as for losses and error rates.
    #[default]
    Lower,
    /// Higher is better, as for accuracies and scores.
    Higher,
}

/// The metric that decides which checkpoints are best.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestBy {
    /// The logged name of the metric, such as `eval/mlm/mask_accuracy`.
    pub metric: String,
    /// Whether lower or higher values are better.
    pub direction: Direction,
}

/// One of the best checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// The step of the checkpoint.
    pub step: u64,
    /// The logged name of the metric that it was ranked by, such as `eval/mlm/loss`.
    pub metric: String,
    /// The value of the metric.
    pub value: f64,
}

/// Which checkpoints are kept: those that at least one of these rules keeps, and always the newest one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// The number of newest checkpoints that are kept; 0 keeps all checkpoints.
    pub last: usize,
    /// The number of best checkpoints that are kept.
    pub best: usize,
    /// The metric that decides which are best; `None` for the lowest `loss` of the first evaluator that reports one.
    pub by: Option<BestBy>,
    /// If given, checkpoints whose step is a multiple of this number are kept.
    pub every: Option<u64>,
    /// Whether the model of the run is the best checkpoint once the run has finished, and not the last one.
    pub restore_best: bool,
}

impl Default for Retention {
    fn default() -> Self {
        Self { last: 2, best: 1, by: None, every: None, restore_best: false }
    }
}

impl Retention {
    /// The checkpoints to delete once the one of `step` is complete. `saved` are the steps that have a checkpoint on
    /// disk, in any order. `best` are the steps of the best checkpoints, the best one first.
    pub fn after_save(&self, step: u64, saved: &[u64], best: &[u64]) -> Vec<Action> {
        if self.last == 0 {
            return Vec::new();
        }
        let mut steps: Vec<u64> = saved.to_vec();
        steps.push(step);
        steps.sort_unstable();
        steps.dedup();
        let num_old = steps.len().saturating_sub(self.last);
        let kept_best = &best[..best.len().min(self.best)];
        let is_multiple = |other: u64| self.every.is_some_and(|n| other.is_multiple_of(n.max(1)));
        let is_deleted =
            |other: &u64| !kept_best.contains(other) && *other != step && !is_multiple(*other);
        steps.into_iter().take(num_old).filter(is_deleted).map(Action::Delete).collect()
    }

    /// Inserts `new` into `best`, a list with the best checkpoint first, and shortens the list to the number that is
    /// kept. The list keeps at least one entry, for reports, even if no checkpoint is kept for being best. Of two
    /// checkpoints with equal values the earlier one comes first.
    pub fn rank(&self, mut best: Vec<Best>, new: Best) -> Vec<Best> {
        let direction = self.by.as_ref().map(|by| by.direction).unwrap_or_default();
        // A resumed run may save a step again, or rank by another metric.
        best.retain(|other| other.step != new.step && other.metric == new.metric);
        let is_better = |other: &Best| match direction {
            Direction::Lower => new.value < other.value,
            Direction::Higher => new.value > other.value,
        };
        let position = best.iter().position(is_better).unwrap_or(best.len());
        best.insert(position, new);
        best.truncate(self.best.max(1));
        best
    }
}
