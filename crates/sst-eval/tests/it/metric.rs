//! Compares metrics with values computed by hand.

use proptest::prelude::*;
use sst_eval::metric::{accuracy, commonest, perplexity, top_k_accuracy};

#[test]
fn accuracy_is_the_fraction_of_correct_predictions() {
    let check = |labels: &[i64], predictions: &[i64], expected| {
        assert_eq!(accuracy(labels, predictions), expected, "{labels:?} {predictions:?}");
    };
    check(&[], &[], None);
    check(&[1], &[1], Some(1.0));
    check(&[1, 2, 3, 4], &[1, 0, 3, 0], Some(0.5));
}

#[test]
fn top_k_accuracy_counts_the_first_k_predictions() {
    let ranked = [5, 1, 2, 5, 9, 8];
    let check = |k, expected| {
        assert_eq!(top_k_accuracy(&[1, 8], &ranked, 3, k), Some(expected), "{k}");
    };
    check(1, 0.0);
    check(2, 0.5);
    check(3, 1.0);
    check(7, 1.0);
}

#[test]
fn of_equally_frequent_labels_the_smallest_is_the_commonest() {
    let check = |labels: &[i64], expected| assert_eq!(commonest(labels), expected, "{labels:?}");
    check(&[], None);
    check(&[3], Some((3, 1.0)));
    check(&[3, 1, 3, 2], Some((3, 0.5)));
    check(&[9, 4, 9, 4], Some((4, 0.5)));
}

#[test]
fn perplexity_of_a_fair_die_is_six() {
    assert!((perplexity(6_f64.ln()) - 6.0).abs() < 1e-12);
    assert!((perplexity(0.0) - 1.0).abs() < 1e-12);
}

proptest! {
    #[test]
    fn no_constant_prediction_is_better_than_the_commonest_label(labels in prop::collection::vec(0_i64..5, 1..60)) {
        let (label, fraction) = commonest(&labels).unwrap();
        prop_assert_eq!(accuracy(&labels, &vec![label; labels.len()]), Some(fraction));
        for other in 0..5 {
            prop_assert!(accuracy(&labels, &vec![other; labels.len()]).unwrap() <= fraction);
        }
    }
}
