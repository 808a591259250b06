//! The actions after a step and after a save, as tables.

use sst_train::Action::{self, Delete, Evaluate, Log, Save};
use sst_train::{Best, BestBy, Direction, Policy, Retention};

const POLICY: Policy =
    Policy { total_steps: 10, log_every: 2, eval_every: Some(3), save_every: Some(4) };

#[track_caller]
fn check(policy: Policy, step: u64, is_stopping: bool, expected: &[Action]) {
    assert_eq!(policy.after_step(step, is_stopping), expected, "after step {step}");
}

#[test]
fn after_a_step() {
    check(POLICY, 1, false, &[]);
    check(POLICY, 2, false, &[Log]);
    check(POLICY, 3, false, &[Evaluate]);
    check(POLICY, 4, false, &[Log, Save]);
    check(POLICY, 6, false, &[Log, Evaluate]);
    check(POLICY, 10, false, &[Log, Evaluate, Save]);
    // A run that is asked to stop saves at once, without an evaluation. After its last step it is finished anyway.
    check(POLICY, 1, true, &[Save]);
    check(POLICY, 6, true, &[Log, Save]);
    check(POLICY, 10, true, &[Log, Evaluate, Save]);
    let rare = Policy { eval_every: None, save_every: None, ..POLICY };
    check(rare, 8, false, &[Log]);
    check(rare, 10, false, &[Log, Evaluate, Save]);
}

/// `rule` is the number of newest checkpoints that are kept, the number of best ones, and the number whose multiples
/// are kept, or 0. `saved` are the steps of all checkpoints, the one that was just written first.
#[track_caller]
fn check_deleted(rule: (usize, usize, u64), saved: &[u64], best: &[u64], expected: &[u64]) {
    let (last, count, every) = rule;
    let every = (every > 0).then_some(every);
    let retention = Retention { last, best: count, by: None, every, restore_best: false };
    let expected: Vec<Action> = expected.iter().copied().map(Delete).collect();
    let step = saved[0];
    assert_eq!(retention.after_save(step, saved, best), expected, "{rule:?} {saved:?} {best:?}");
}

#[test]
fn after_a_save() {
    check_deleted((2, 1, 0), &[4], &[], &[]);
    check_deleted((2, 1, 0), &[12, 4, 8], &[], &[4]);
    check_deleted((2, 1, 0), &[12, 8, 4], &[], &[4]);
    check_deleted((1, 1, 0), &[12, 4, 8], &[], &[4, 8]);
    // The best checkpoints are kept, as many as the rule says.
    check_deleted((1, 1, 0), &[12, 4, 8], &[4], &[8]);
    check_deleted((1, 1, 0), &[12, 4, 8], &[12], &[4, 8]);
    check_deleted((1, 2, 0), &[16, 4, 8, 12], &[8, 4, 12], &[12]);
    check_deleted((1, 0, 0), &[16, 4, 8, 12], &[8, 4], &[4, 8, 12]);
    check_deleted((1, 9, 0), &[16, 4, 8, 12], &[8], &[4, 12]);
    // Checkpoints at multiples of a number are kept.
    check_deleted((1, 0, 8), &[20, 4, 8, 12, 16], &[], &[4, 12]);
    check_deleted((2, 1, 10), &[30, 5, 10, 15, 20, 25], &[15], &[5]);
    // All rules together, and no rule.
    check_deleted((1, 1, 10), &[35, 5, 10, 15, 20, 25, 30], &[5], &[15, 25]);
    check_deleted((0, 0, 0), &[12, 4, 8], &[], &[]);
    // The checkpoint that was just written is kept, even if there is a later one.
    check_deleted((1, 0, 0), &[4, 8], &[], &[]);
}

/// Ranks checkpoints, given as steps with values, of which `count` are kept.
#[track_caller]
fn check_ranks(count: usize, direction: Direction, values: &[(u64, f64)], expected: &[u64]) {
    let metric = || "eval/a/b".to_owned();
    let by = Some(BestBy { metric: metric(), direction });
    let retention = Retention { best: count, by, ..Retention::default() };
    let best = values.iter().fold(Vec::new(), |best, (step, value)| {
        retention.rank(best, Best { step: *step, metric: metric(), value: *value })
    });
    let steps: Vec<u64> = best.iter().map(|best| best.step).collect();
    assert_eq!(steps, expected, "{count} {direction:?} of {values:?}");
}

#[test]
fn the_best_come_first() {
    let values = [(1, 3.0), (2, 1.0), (3, 2.0), (4, 1.0)];
    check_ranks(3, Direction::Lower, &values, &[2, 4, 3]);
    check_ranks(3, Direction::Higher, &values, &[1, 3, 2]);
    check_ranks(1, Direction::Lower, &values, &[2]);
    // The best checkpoint stays in the list even if no checkpoint is kept for being best.
    check_ranks(0, Direction::Higher, &values, &[1]);
    // A step that is saved again is listed once, with its new value.
    check_ranks(3, Direction::Lower, &[(1, 3.0), (2, 2.0), (1, 1.0)], &[1, 2]);
}

#[test]
fn values_of_another_metric_are_not_compared() {
    let best = |step, metric: &str, value| Best { step, metric: metric.to_owned(), value };
    let ranked = Retention::default().rank(vec![best(1, "a", 0.1)], best(2, "b", 7.0));
    assert_eq!(ranked, [best(2, "b", 7.0)]);
}
