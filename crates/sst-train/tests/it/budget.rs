//! A run stops when its budget of tokens or seconds is used up, and leaves a checkpoint.

use sst_train::{FitConfig, Outcome, StopReason, TrainError, setting};

use crate::toy::{Run, config};

fn stopped(outcome: &Outcome) -> (StopReason, u64) {
    match outcome {
        Outcome::Stopped { reason, step, checkpoint } => {
            assert!(checkpoint.join("MANIFEST.json").is_file(), "{outcome:?}");
            (*reason, *step)
        }
        Outcome::Finished { .. } => panic!("{outcome:?}"),
    }
}

/// The toy trains on 64 tokens in a step.
#[test]
fn a_run_stops_after_its_budget_of_tokens() {
    for (max_tokens, steps) in [(1, 1), (64, 1), (65, 2), (256, 4)] {
        let folder = tempfile::tempdir().unwrap();
        let mut run = Run::new(folder.path());
        let outcome = run.fit(FitConfig { max_tokens: Some(max_tokens), ..config(6) }).unwrap();
        assert_eq!(stopped(&outcome), (StopReason::MaxTokens, steps), "{max_tokens} tokens");
        let state = run.saver().checkpoint(steps).state().unwrap();
        assert_eq!(state.spent.tokens, steps * 64);
    }
    let folder = tempfile::tempdir().unwrap();
    let outcome = Run::new(folder.path()).fit(FitConfig { max_tokens: Some(128), ..config(2) });
    let outcome = outcome.unwrap();
    assert!(
        matches!(outcome, Outcome::Finished { step: 2, .. }),
        "the last step uses up the budget"
    );
}

#[test]
fn tokens_before_a_resume_count() {
    let folder = tempfile::tempdir().unwrap();
    Run::new(folder.path()).fit(FitConfig { max_tokens: Some(128), ..config(9) }).unwrap();
    let more = FitConfig { max_tokens: Some(320), ..config(9) };
    let outcome = Run::new(folder.path()).resume(more.clone()).unwrap();
    assert_eq!(stopped(&outcome), (StopReason::MaxTokens, 5));
    // The budget is used up already, so another resume runs no step.
    let mut again = Run::new(folder.path());
    assert_eq!(stopped(&again.resume(more).unwrap()), (StopReason::MaxTokens, 5));
    assert_eq!(again.saver().steps().unwrap(), [2, 5]);
}

#[test]
fn a_run_stops_after_its_budget_of_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    let short = FitConfig { max_seconds: Some(1e-6), ..config(6) };
    let outcome = run.fit(short.clone()).unwrap();
    assert_eq!(stopped(&outcome), (StopReason::MaxSeconds, 1));
    let spent = run.saver().checkpoint(1).state().unwrap().spent.seconds;
    assert!(spent > 1e-6, "{spent}");
    // The time before a resume counts, and the time after it is added to it.
    let outcome = Run::new(folder.path()).resume(short).unwrap();
    assert_eq!(stopped(&outcome), (StopReason::MaxSeconds, 1));
    let mut resumed = Run::new(folder.path());
    let outcome = resumed.resume(FitConfig { max_seconds: Some(3600.0), ..config(6) }).unwrap();
    assert!(matches!(outcome, Outcome::Finished { step: 6, .. }), "{outcome:?}");
    assert!(resumed.saver().checkpoint(6).state().unwrap().spent.seconds > spent);
}

#[test]
fn budgets_of_zero_are_refused() {
    for (config, expected) in [
        (FitConfig { max_tokens: Some(0), ..config(2) }, setting::MAX_TOKENS),
        (FitConfig { max_seconds: Some(0.0), ..config(2) }, setting::MAX_SECONDS),
        (FitConfig { max_seconds: Some(f64::NAN), ..config(2) }, setting::MAX_SECONDS),
        (FitConfig { flops_per_token: Some(0.0), ..config(2) }, setting::FLOPS_PER_TOKEN),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let error = Run::new(folder.path()).fit(config).unwrap_err();
        let TrainError::Config { setting, .. } = error else { panic!("{error}") };
        assert_eq!(setting, expected);
    }
}
