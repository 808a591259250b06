//! The policy as a table.

use sst_train::Action::{self, Delete, Evaluate, Log, Save};
use sst_train::Policy;

const POLICY: Policy =
    Policy { total_steps: 10, log_every: 2, eval_every: Some(3), save_every: Some(4), keep: 2 };

#[track_caller]
fn check(policy: Policy, step: u64, stopping: bool, expected: &[Action]) {
    assert_eq!(policy.after_step(step, stopping), expected, "after step {step}");
}

#[test]
fn after_a_step() {
    check(POLICY, 1, false, &[]);
    check(POLICY, 2, false, &[Log]);
    check(POLICY, 3, false, &[Evaluate]);
    check(POLICY, 4, false, &[Log, Save]);
    check(POLICY, 6, false, &[Log, Evaluate]);
    check(POLICY, 10, false, &[Log, Evaluate, Save]);
    // Asked to stop: saved at once, without an evaluation; but a run at its end is simply finished.
    check(POLICY, 1, true, &[Save]);
    check(POLICY, 6, true, &[Log, Save]);
    check(POLICY, 10, true, &[Log, Evaluate, Save]);
    let rare = Policy { eval_every: None, save_every: None, ..POLICY };
    check(rare, 8, false, &[Log]);
    check(rare, 10, false, &[Log, Evaluate, Save]);
}

#[track_caller]
fn check_deleted(keep: usize, step: u64, saved: &[u64], best: Option<u64>, expected: &[u64]) {
    let expected: Vec<Action> = expected.iter().copied().map(Delete).collect();
    assert_eq!(Policy { keep, ..POLICY }.after_save(step, saved, best), expected);
}

#[test]
fn after_a_save() {
    check_deleted(2, 4, &[4], None, &[]);
    check_deleted(2, 12, &[4, 8, 12], None, &[4]);
    check_deleted(2, 12, &[12, 8, 4], None, &[4]);
    check_deleted(2, 12, &[4, 8], None, &[4]);
    check_deleted(1, 12, &[4, 8, 12], None, &[4, 8]);
    check_deleted(1, 12, &[4, 8, 12], Some(4), &[8]);
    check_deleted(1, 12, &[4, 8, 12], Some(12), &[4, 8]);
    check_deleted(0, 12, &[4, 8, 12], None, &[]);
    // The one just written always stays.
    check_deleted(1, 4, &[4, 8], None, &[]);
}
