//! Intervals and comparisons, against scipy and closed forms.

use sst_eval::metric::{Bootstrap, Interval, MetricError, wilson_interval};

use crate::golden::{array, close, golden, number, numbers};

#[test]
fn wilson_intervals_are_those_of_scipy() {
    for case in array(&golden("interval", "wilson")) {
        let count = |key: &str| case[key].as_u64().unwrap();
        let (successes, total, confidence) =
            (count("successes"), count("total"), number(&case["confidence"]));
        let found = wilson_interval(successes, total, confidence).unwrap().unwrap();
        let what = format!("{successes} of {total} at {confidence}");
        close(&what, found.low, number(&case["low"]), 1e-12);
        close(&what, found.high, number(&case["high"]), 1e-12);
    }
}

#[test]
fn wilson_intervals_by_hand() {
    assert_eq!(wilson_interval(0, 0, 0.95).unwrap(), None);
    // With nothing found the upper end is z^2 / (n + z^2).
    let z2 = 1.959_963_984_540_054_f64.powi(2);
    let found = wilson_interval(0, 10, 0.95).unwrap().unwrap();
    assert_eq!(found.low, 0.0);
    close("upper end", found.high, z2 / (10.0 + z2), 1e-12);
    assert_eq!(wilson_interval(10, 10, 0.95).unwrap().unwrap().high, 1.0);
    let sure = wilson_interval(5, 10, 1.0 - 1e-16).unwrap().unwrap();
    assert!(sure.low > 0.0 && sure.low < 0.1, "{sure:?}");
    for confidence in [0.0, 1.0, -1.0, f64::NAN] {
        let refused = wilson_interval(1, 2, confidence);
        assert!(matches!(refused, Err(MetricError::Setting { what: "the confidence", .. })));
    }
    assert!(matches!(wilson_interval(3, 2, 0.95), Err(MetricError::Setting { .. })));
}

/// Draws a figure after the other from `figures`; the first is that of all examples.
fn given(figures: &[f64], confidence: f64) -> Interval {
    let mut drawn = [0.0].iter().chain(figures).copied();
    let bootstrap = Bootstrap { samples: figures.len(), confidence, seed: 0 };
    bootstrap.interval(3, |_| drawn.next()).unwrap().unwrap().interval
}

#[test]
fn the_ends_are_the_quantiles_of_numpy() {
    for case in array(&golden("interval", "quantiles")) {
        let found = given(&numbers(&case["figures"]), number(&case["confidence"]));
        close("low", found.low, number(&case["low"]), 1e-12);
        close("high", found.high, number(&case["high"]), 1e-12);
    }
}

#[test]
fn bootstrap_intervals_are_those_of_scipy() {
    for case in array(&golden("interval", "means")) {
        let (scores, confidence) = (numbers(&case["scores"]), number(&case["confidence"]));
        let bootstrap = Bootstrap { confidence, ..Bootstrap::default() };
        let found = bootstrap.mean_interval(&scores).unwrap().unwrap();
        let (n, error) = (scores.len() as f64, number(&case["standard_error"]));
        let mean = scores.iter().sum::<f64>() / n;
        close("estimate", found.estimate, mean, 1e-12);
        // The error of a quantile of 10,000 samples is about a fortieth of the standard error.
        let tolerance = error / 10.0;
        close("low", found.interval.low, number(&case["low"]), tolerance);
        close("high", found.interval.high, number(&case["high"]), tolerance);
        close("standard error", found.standard_error, error, error / 30.0);
        // The standard error of a mean is known.
        let variance = scores.iter().map(|score| (score - mean) * (score - mean)).sum::<f64>() / n;
        close("closed form", found.standard_error, (variance / n).sqrt(), error / 30.0);
        assert_eq!(found.undefined, 0);
    }
}

#[test]
fn comparisons_are_those_of_scipy() {
    for case in array(&golden("interval", "pairs")) {
        let (first, second) = (numbers(&case["first"]), numbers(&case["second"]));
        let found = Bootstrap::default().compare_means(&first, &second).unwrap().unwrap();
        let error = number(&case["standard_error"]);
        close("difference", found.difference.estimate, number(&case["difference"]), 1e-12);
        // The difference of shares moves in steps.
        let tolerance = error / 10.0 + 1.0 / first.len() as f64;
        close("low", found.difference.interval.low, number(&case["low"]), tolerance);
        close("high", found.difference.interval.high, number(&case["high"]), tolerance);
        close("error", found.difference.standard_error, error, error / 30.0);
        let p_value = number(&case["p_value"]);
        let deviation = (p_value * (1.0 - p_value) / 10_000.0).sqrt();
        close("p-value", found.p_value, p_value, 4.0 * deviation + 1e-3);
        let turned = Bootstrap::default().compare_means(&second, &first).unwrap().unwrap();
        close("the other way", turned.p_value, found.p_value, 1e-12);
    }
}

#[test]
fn equal_systems_and_opposite_ones() {
    let scores: Vec<f64> = (0..50).map(|at| f64::from(at % 3)).collect();
    let bootstrap = Bootstrap { samples: 200, ..Bootstrap::default() };
    let same = bootstrap.compare_means(&scores, &scores).unwrap().unwrap();
    assert_eq!((same.difference.estimate, same.p_value), (0.0, 1.0));
    let better: Vec<f64> = scores.iter().map(|score| score + 1.0).collect();
    let found = bootstrap.compare_means(&better, &scores).unwrap().unwrap();
    // The difference is the same in every sample, so no sample is as far from it as it is from 0.
    close("p-value", found.p_value, 1.0 / 201.0, 1e-12);
    close("low", found.difference.interval.low, 1.0, 1e-9);
}

#[test]
fn the_seed_decides_and_nothing_else() {
    let scores: Vec<f64> = (0..40).map(|at| f64::from(at * at % 17)).collect();
    let interval = |seed| {
        let bootstrap = Bootstrap { samples: 300, seed, ..Bootstrap::default() };
        bootstrap.mean_interval(&scores).unwrap().unwrap()
    };
    assert_eq!(interval(1), interval(1));
    assert_ne!(interval(1).interval, interval(2).interval);
    // Both systems meet the same examples in every sample.
    let mut samples = Vec::new();
    let bootstrap = Bootstrap { samples: 5, ..Bootstrap::default() };
    let figures = |sample: &[usize]| {
        samples.push(sample.to_vec());
        Some((1.0, 0.0))
    };
    bootstrap.compare(4, figures).unwrap();
    assert_eq!(samples.len(), 6);
    assert_eq!(samples[0], [0, 1, 2, 3], "all examples first");
    assert!(samples.iter().flatten().all(|position| *position < 4));
    assert_ne!(samples[1], samples[2]);
}

#[test]
fn samples_without_a_figure_are_left_out_and_counted() {
    let bootstrap = Bootstrap { samples: 1000, ..Bootstrap::default() };
    // One of ten examples is positive: a sample lacks it with a probability of 0.9^10 = 0.349.
    let positives = |sample: &[usize]| sample.iter().filter(|at| **at == 0).count();
    let figure = |sample: &[usize]| Some(positives(sample) as f64).filter(|count| *count > 0.0);
    let found = bootstrap.interval(10, figure).unwrap().unwrap();
    assert!((300..400).contains(&found.undefined), "{found:?}");
    assert!(found.interval.low >= 1.0);
    assert_eq!(bootstrap.interval(10, |_| None).unwrap(), None);
    assert_eq!(bootstrap.interval(0, |_| Some(1.0)).unwrap(), None);
    assert_eq!(bootstrap.mean_interval(&[]).unwrap(), None);
    let mut calls = 0;
    let only_all = |_: &[usize]| {
        calls += 1;
        (calls == 1).then_some(1.0)
    };
    assert_eq!(bootstrap.interval(2, only_all).unwrap(), None);
    let one = bootstrap.mean_interval(&[0.5]).unwrap().unwrap();
    assert_eq!((one.interval.low, one.interval.high, one.standard_error), (0.5, 0.5, 0.0));
}

#[test]
fn what_cannot_be_drawn() {
    let bootstrap = Bootstrap { samples: 10, ..Bootstrap::default() };
    let nan = |at| Err(MetricError::NotFinite { what: "scores", at, value: f64::NAN });
    let is_same = |found: Result<_, MetricError>, want: Result<(), MetricError>| {
        let (found, want) = (found.map(|_: Option<_>| ()).unwrap_err(), want.unwrap_err());
        assert_eq!(found.to_string(), want.to_string());
    };
    is_same(bootstrap.mean_interval(&[0.5, f64::NAN]), nan(1));
    assert!(matches!(
        bootstrap.interval(2, |_| Some(f64::INFINITY)),
        Err(MetricError::NotFinite { .. })
    ));
    assert!(matches!(
        bootstrap.compare_means(&[1.0], &[]),
        Err(MetricError::Length { found: 0, wanted: 1, .. })
    ));
    let none = Bootstrap { samples: 0, ..bootstrap };
    assert!(matches!(
        none.mean_interval(&[1.0]),
        Err(MetricError::Setting { what: "samples", .. })
    ));
    let sure = Bootstrap { confidence: 1.0, ..bootstrap };
    assert!(matches!(sure.mean_interval(&[1.0]), Err(MetricError::Setting { .. })));
}
