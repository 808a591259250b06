//! A run ends when its tokens or its time are spent, with a checkpoint.

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

/// A step of the toy sees 64 tokens.
#[test]
fn tokens() {
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
    assert!(matches!(outcome.unwrap(), Outcome::Finished { step: 2, .. }), "both at once");
}

#[test]
fn they_are_counted_over_all_parts_of_a_run() {
    let folder = tempfile::tempdir().unwrap();
    Run::new(folder.path()).fit(FitConfig { max_tokens: Some(128), ..config(9) }).unwrap();
    let more = FitConfig { max_tokens: Some(320), ..config(9) };
    let outcome = Run::new(folder.path()).resume(more.clone()).unwrap();
    assert_eq!(stopped(&outcome), (StopReason::MaxTokens, 5));
    // Nothing is left of it: not one step more.
    let mut again = Run::new(folder.path());
    assert_eq!(stopped(&again.resume(more).unwrap()), (StopReason::MaxTokens, 5));
    assert_eq!(again.saver().steps().unwrap(), [2, 5]);
}

#[test]
fn seconds() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::new(folder.path());
    let short = FitConfig { max_seconds: Some(1e-6), ..config(6) };
    let outcome = run.fit(short.clone()).unwrap();
    assert_eq!(stopped(&outcome), (StopReason::MaxSeconds, 1));
    let spent = run.saver().checkpoint(1).state().unwrap().spent.seconds;
    assert!(spent > 1e-6, "{spent}");
    // The time before counts, and is added to.
    let outcome = Run::new(folder.path()).resume(short).unwrap();
    assert_eq!(stopped(&outcome), (StopReason::MaxSeconds, 1));
    let mut rest = Run::new(folder.path());
    let outcome = rest.resume(FitConfig { max_seconds: Some(3600.0), ..config(6) }).unwrap();
    assert!(matches!(outcome, Outcome::Finished { step: 6, .. }), "{outcome:?}");
    assert!(rest.saver().checkpoint(6).state().unwrap().spent.seconds > spent);
}

#[test]
fn budgets_of_nothing_are_refused() {
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
