//! When to log, evaluate, save and delete: a pure function that returns actions and does no I/O.

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
    /// Checkpoints to keep, the newest first; 0 keeps all. The best one is kept besides.
    pub keep: usize,
}

impl Policy {
    /// What to do once `step` steps are done: [`Action::Log`], [`Action::Evaluate`], [`Action::Save`].
    /// `stopping` says that the user asked to stop: the run is saved at once then, without an evaluation.
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

    /// What to delete once the checkpoint of `step` is complete. `saved` are the steps with a checkpoint
    /// on disk, in any order; `best` is the step of the best one.
    pub fn after_save(&self, step: u64, saved: &[u64], best: Option<u64>) -> Vec<Action> {
        if self.keep == 0 {
            return Vec::new();
        }
        let mut steps: Vec<u64> = saved.to_vec();
        steps.push(step);
        steps.sort_unstable();
        steps.dedup();
        let old = steps.len().saturating_sub(self.keep);
        let doomed = |other: &u64| Some(*other) != best && *other != step;
        steps.into_iter().take(old).filter(doomed).map(Action::Delete).collect()
    }
}
