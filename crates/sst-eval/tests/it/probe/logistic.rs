//! Logistic regression against scikit-learn.

use std::collections::HashMap;

use sst_eval::probe::{Labelled, Logistic, LogisticOptions, ProbeError, Standardizer};
use tch::{Kind, Tensor};

use super::{Golden, classes, integers, normal, number, shifted, text};

#[test]
fn objectives_and_labels_are_those_of_scikit_learn() {
    let golden = Golden::open();
    let (mut rows, mut equal) = (0, 0);
    let mut constant = HashMap::new();
    for case in golden.cases("logistic", 49) {
        let name = text(case, "data");
        let part = |part: &str| {
            let (features, labels) = (format!("{name}.{part}"), format!("{name}.{part}_labels"));
            golden.labelled(&features, &labels, classes(&name))
        };
        let standardize = case["standardize"].as_bool().unwrap();
        // Features that are not standardised may take thousands of steps.
        let options = LogisticOptions {
            c: number(&case["c"]),
            standardize,
            max_iterations: 20_000,
            ..LogisticOptions::default()
        };
        let (train, test) = (part("train"), part("test"));
        let probe = Logistic::fit(&train, &options).unwrap();
        let what = format!("{name} with {options:?}: {:?}", probe.convergence());
        assert!(probe.convergence().converged(), "{what}");
        let (got, want) = (probe.objective(), number(&case["objective"]));
        assert!((got - want).abs() <= 1e-6 * want, "{what}: {got} is not {want}");
        let (got, want) = (probe.predict(test.features_nd()).unwrap(), integers(&case["labels"]));
        assert_eq!(got.len(), want.len());
        rows += got.len();
        equal += got.iter().zip(&want).filter(|(got, want)| got == want).count();
        let right = got.iter().zip(test.labels()).filter(|(got, label)| got == label).count();
        assert_eq!(probe.accuracy(&test).unwrap(), right as f64 / test.rows() as f64, "{what}");
        constant.insert((name, standardize), probe.constant_features());
    }
    assert!(equal as f64 >= 0.999 * rows as f64, "{equal} of {rows} labels are equal");
    assert!(constant.iter().all(|((name, standardize), count)| {
        *count == if name == "collinear" && *standardize { 2 } else { 0 }
    }));
}

#[test]
fn probabilities_are_those_of_the_weights_and_unseen_classes_have_none() {
    let labels = [4, 1, 1, 4, 2, 2];
    let train = Labelled::new(&normal(6, 3, 5), &labels, 6).unwrap();
    let options = LogisticOptions { standardize: false, ..LogisticOptions::default() };
    let probe = Logistic::fit(&train, &options).unwrap();
    assert_eq!(probe.present_classes(), [1, 2, 4]);
    let log_p = probe.log_probabilities(train.features_nd()).unwrap();
    assert_eq!(log_p.size(), [6, 6]);
    let logits = train.features_nd().matmul(&probe.weights_kd().tr()) + probe.intercepts_k();
    let want = logits.softmax(1, None);
    for (column, class) in [1, 2, 4].into_iter().enumerate() {
        let got = log_p.select(1, class).exp();
        let distance = (got - want.select(1, column as i64)).abs().max().double_value(&[]);
        assert!(distance < 1e-12, "class {class}: {distance}");
    }
    for class in [0, 3, 5] {
        assert_eq!(log_p.select(1, class).max().double_value(&[]), f64::NEG_INFINITY);
    }
    // At the optimum the mean of the probabilities is the share of the class: the gradient of an intercept.
    let share = log_p.select(1, 4).exp().mean(Kind::Double).double_value(&[]);
    assert!((share - 2.0 / 6.0).abs() < 1e-6, "{share}");
}

#[test]
fn a_solver_that_runs_out_of_steps_says_so() {
    let train = shifted(200, 8, 3, 1.0, 1);
    let few = LogisticOptions { max_iterations: 2, ..LogisticOptions::default() };
    let found = Logistic::fit(&train, &few).unwrap().convergence();
    assert!(!found.converged() && found.gradient > found.tolerance, "{found:?}");
    assert_eq!(found.iterations, 2);
    let found = Logistic::fit(&train, &LogisticOptions::default()).unwrap().convergence();
    assert!(found.converged() && found.gradient <= 1e-6, "{found:?}");
}

#[test]
fn features_are_standardised_with_the_training_part_alone() {
    // Deviations that fp32 could not see beside the means, and a constant feature that another part does not share.
    let train = Tensor::from_slice(&[1e8, 5.0, 1e8 + 2.0, 5.0, 1e8 + 4.0, 5.0]).view([3, 2]);
    let standardizer = Standardizer::fit(&train).unwrap();
    assert_eq!(standardizer.constant_features(), 1);
    let other = Tensor::from_slice(&[1e8 + 8.0, -3.0]).view([1, 2]);
    let got = Vec::<f64>::try_from(standardizer.apply(&other).unwrap().flatten(0, 1)).unwrap();
    let deviation = (8.0_f64 / 3.0).sqrt();
    assert!((got[0] - 6.0 / deviation).abs() < 1e-9 && got[1] == 0.0, "{got:?}");
    let narrow = standardizer.apply(&other.narrow(1, 0, 1));
    assert!(matches!(narrow, Err(ProbeError::Width { expected: 2, found: 1 })), "{narrow:?}");
}

#[test]
fn what_cannot_be_trained_on_is_refused() {
    let options = LogisticOptions::default();
    let one = Labelled::new(&normal(4, 2, 0), &[1; 4], 3).unwrap();
    let found = Logistic::fit(&one, &options);
    assert!(matches!(found, Err(ProbeError::OneClass { rows: 4, label: 1 })), "{found:?}");
    let none = Labelled::new(&normal(0, 2, 0), &[], 3).unwrap();
    let found = Logistic::fit(&none, &options);
    assert!(matches!(found, Err(ProbeError::Rows { rows: 0, .. })), "{found:?}");
    for c in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let found = Logistic::fit(&one, &LogisticOptions { c, ..options.clone() });
        assert!(matches!(found, Err(ProbeError::Option { key: "c", .. })), "{found:?}");
    }
    let probe = Logistic::fit(&shifted(20, 4, 2, 1.0, 0), &options).unwrap();
    let found = probe.predict(&normal(2, 3, 0));
    assert!(matches!(found, Err(ProbeError::Width { expected: 4, found: 3 })), "{found:?}");
    let found = probe.predict(&(normal(2, 4, 0) * f64::NAN));
    assert!(matches!(found, Err(ProbeError::NotFinite { row: 0 })), "{found:?}");
}
