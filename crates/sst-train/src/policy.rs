//! When to log, evaluate, save and delete: pure functions that return actions and do no I/O.

use serde::{Deserialize, Serialize};

/// What to do after a step, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Report the means since the last report.
    Log,
    /// Run the evaluators.
    Evaluate,
    /// Write a checkpoint of this step.
    Save,
    /// Delete the checkpoint of that step. Only after the save before it is complete.
    Delete(u64),
}

/// The clocks of a run, in steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The last step.
    pub total_steps: u64,
    /// Log each time so many steps are done, and after the last.
    pub log_every: u64,
    /// Evaluate each time so many steps are done; `None` for after the last only.
    pub eval_every: Option<u64>,
    /// Save each time so many steps are done; `None` for after the last only.
    pub save_every: Option<u64>,
}

impl Policy {
    /// What to do once `step` steps are done: [`Action::Log`], [`Action::Evaluate`], [`Action::Save`].
    /// `stopping` says that the run ends before its last step: it is saved at once then, without an
    /// evaluation.
    pub fn after_step(&self, step: u64, stopping: bool) -> Vec<Action> {
        let last = step >= self.total_steps;
        let due = |every: Option<u64>| last || every.is_some_and(|n| step.is_multiple_of(n.max(1)));
        let mut actions = Vec::new();
        if due(Some(self.log_every)) {
            actions.push(Action::Log);
        }
        if due(self.eval_every) && (last || !stopping) {
            actions.push(Action::Evaluate);
        }
        if due(self.save_every) || stopping {
            actions.push(Action::Save);
        }
        actions
    }
}

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Losses and error rates.
    #[default]
    Lower,
    /// Accuracies and scores.
    Higher,
}

/// The figure that the best checkpoints are best in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestBy {
    /// Its logged name, such as `eval/mlm/mask_accuracy`.
    pub metric: String,
    /// Which way it is better.
    pub direction: Direction,
}

/// A checkpoint among the best.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Best {
    /// Its step.
    pub step: u64,
    /// The figure it is best in, such as `eval/mlm/loss`.
    pub metric: String,
    /// The value of that figure.
    pub value: f64,
}

/// Which checkpoints stay. One that any rule keeps stays, and the newest always does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// The newest so many; 0 keeps all.
    pub last: usize,
    /// The best so many.
    pub best: usize,
    /// What they are best in; `None` for the lowest `loss` of the first evaluator that reports one.
    pub by: Option<BestBy>,
    /// Those of every so many steps.
    pub every: Option<u64>,
}

impl Default for Retention {
    fn default() -> Self {
        Self { last: 2, best: 1, by: None, every: None }
    }
}

impl Retention {
    /// What to delete once the checkpoint of `step` is complete. `saved` are the steps with a checkpoint
    /// on disk, in any order; `best` those of the best, the best first.
    pub fn after_save(&self, step: u64, saved: &[u64], best: &[u64]) -> Vec<Action> {
        if self.last == 0 {
            return Vec::new();
        }
        let mut steps: Vec<u64> = saved.to_vec();
        steps.push(step);
        steps.sort_unstable();
        steps.dedup();
        let old = steps.len().saturating_sub(self.last);
        let best = &best[..best.len().min(self.best)];
        let landmark = |other: u64| self.every.is_some_and(|n| other.is_multiple_of(n.max(1)));
        let doomed = |other: &u64| !best.contains(other) && *other != step && !landmark(*other);
        steps.into_iter().take(old).filter(doomed).map(Action::Delete).collect()
    }

    /// `best` with `new` in its place, the best first and as many as are kept, but one at least to tell
    /// of. Of equals the earlier stays ahead.
    pub fn rank(&self, mut best: Vec<Best>, new: Best) -> Vec<Best> {
        let direction = self.by.as_ref().map(|by| by.direction).unwrap_or_default();
        // A resumed run may save a step again, or look at another figure.
        best.retain(|other| other.step != new.step && other.metric == new.metric);
        let better = |other: &Best| match direction {
            Direction::Lower => new.value < other.value,
            Direction::Higher => new.value > other.value,
        };
        let place = best.iter().position(better).unwrap_or(best.len());
        best.insert(place, new);
        best.truncate(self.best.max(1));
        best
    }
}
