//! Tasks are drawn by weight, each step by itself.

use proptest::prelude::*;
use sst_data::mixture::{Mixture, MixtureError};

/// Checks the probabilities of `step`, and that the draws have them.
fn check(mixture: &Mixture, step: u64, expected: &[f64]) {
    let found = mixture.probabilities(step);
    assert_eq!(found.len(), expected.len());
    let close = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
    assert!(found.iter().zip(expected).all(close), "{found:?} is not {expected:?}");
}

#[test]
fn weights_are_proportions() {
    let mixture = Mixture::weights(&[1.0, 0.0, 3.0]).unwrap();
    check(&mixture, 5, &[0.25, 0.0, 0.75]);
    let counts = mixture.counts(7, 0..40_000);
    assert_eq!(counts.iter().sum::<u64>(), 40_000);
    assert_eq!(counts[1], 0);
    // The binomial 99.9 % interval around 10,000: 3.29 standard deviations of 87.
    assert!((9715..=10_285).contains(&counts[0]), "{counts:?}");
    check(&Mixture::weights(&[f64::MAX, f64::MAX]).unwrap(), 0, &[0.5, 0.5]);
    assert!(Mixture::weights(&[5.0]).unwrap().counts(1, 3..9) == [6]);
}

#[test]
fn a_temperature_evens_sizes_out() {
    let at = |temperature| Mixture::temperature(&[900, 100, 0], temperature).unwrap();
    check(&at(1.0), 0, &[0.9, 0.1, 0.0]);
    check(&at(2.0), 0, &[0.75, 0.25, 0.0]);
    check(&at(f64::INFINITY), 0, &[0.5, 0.5, 0.0]);
    check(&at(0.001), 0, &[1.0, 0.0, 0.0]);
}

#[test]
fn a_schedule_changes_the_weights() {
    let mixture =
        Mixture::schedule(&[(0, vec![1.0, 0.0]), (10, vec![1.0, 1.0]), (20, vec![0.0, 1.0])])
            .unwrap();
    check(&mixture, 9, &[1.0, 0.0]);
    check(&mixture, 10, &[0.5, 0.5]);
    check(&mixture, u64::MAX, &[0.0, 1.0]);
    assert_eq!(mixture.counts(3, 0..10), [10, 0]);
    assert_eq!(mixture.counts(3, 20..30), [0, 10]);
    assert_eq!(mixture.num_tasks(), 2);
}

#[test]
fn mixtures_that_cannot_work_are_refused() {
    use MixtureError::{AllZero, BadSchedule, BadTemperature, BadWeight, NoTasks};
    assert_eq!(Mixture::weights(&[]), Err(NoTasks));
    assert_eq!(Mixture::weights(&[1.0, -1.0]), Err(BadWeight { task: 1, weight: -1.0 }));
    assert!(matches!(Mixture::weights(&[f64::NAN]), Err(BadWeight { task: 0, .. })));
    assert!(matches!(Mixture::weights(&[f64::INFINITY]), Err(BadWeight { task: 0, .. })));
    assert_eq!(Mixture::weights(&[0.0, 0.0]), Err(AllZero));
    assert_eq!(Mixture::temperature(&[], 1.0), Err(NoTasks));
    assert_eq!(Mixture::temperature(&[0], 1.0), Err(AllZero));
    assert_eq!(Mixture::temperature(&[1], 0.0), Err(BadTemperature(0.0)));
    assert!(matches!(Mixture::temperature(&[1], f64::NAN), Err(BadTemperature(_))));
    assert_eq!(Mixture::schedule(&[]), Err(NoTasks));
    for stages in [
        [(1, vec![1.0]), (2, vec![1.0])],
        [(0, vec![1.0]), (0, vec![1.0])],
        [(0, vec![1.0]), (2, vec![1.0, 1.0])],
    ] {
        assert!(matches!(Mixture::schedule(&stages), Err(BadSchedule(_))), "{stages:?}");
    }
}

proptest! {
    #[test]
    fn a_task_with_no_weight_is_never_drawn(weights in prop::collection::vec(0_u8..3, 1..9), seed: u64, step: u64) {
        let weights: Vec<_> = weights.into_iter().map(f64::from).collect();
        prop_assume!(weights.iter().any(|weight| *weight > 0.0));
        let mixture = Mixture::weights(&weights).unwrap();
        let task = mixture.task(seed, step);
        prop_assert!(weights[task] > 0.0);
        prop_assert_eq!(task, mixture.task(seed, step));
    }
}

/// Recipes give the same bytes forever, so a change of these numbers is a breaking change.
#[test]
fn golden_tasks() {
    let mixture = Mixture::weights(&[1.0, 1.0, 1.0]).unwrap();
    let tasks: Vec<_> = (0..12).map(|step| mixture.task(1, step)).collect();
    assert_eq!(tasks, GOLDEN);
}

const GOLDEN: [usize; 12] = [2, 2, 0, 0, 0, 0, 1, 1, 0, 1, 0, 2];
