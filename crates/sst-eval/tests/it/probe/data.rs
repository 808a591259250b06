//! What is not a labelled set of vectors.

use sst_eval::probe::{Labelled, ProbeError};
use tch::{Kind, Tensor};

use super::normal;

#[test]
fn rows_that_are_not_finite_are_named() {
    // The row lies in the second chunk that is looked at.
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let features = normal(9000, 2, 0);
        let _ = features.get(8500).get(1).fill_(wrong);
        let _ = features.get(8700).get(0).fill_(wrong);
        let found = Labelled::new(&features, &[0; 9000], 1);
        assert!(matches!(found, Err(ProbeError::NotFinite { row: 8500 })), "{found:?}");
    }
}

#[test]
fn labels_must_be_classes_and_one_a_row() {
    let check = |labels: &[i64]| Labelled::new(&normal(3, 2, 0), labels, 4).unwrap_err();
    for (labels, wrong) in [([0, 1, 4], 2), ([0, -1, 4], 1)] {
        let error = check(&labels);
        let is_named = matches!(
            error,
            ProbeError::Label { row, label, classes: 4 } if row == wrong && label == labels[wrong]
        );
        assert!(is_named, "{error}");
    }
    let error = check(&[0, 1]);
    assert!(matches!(error, ProbeError::Count { found: 2, expected: 3, .. }), "{error}");
}

#[test]
fn features_must_be_rows_of_real_numbers() {
    for features in [normal(3, 2, 0).view([6]), normal(3, 2, 0).to_kind(Kind::Int64)] {
        let found = Labelled::new(&features, &[0, 1, 2], 3);
        assert!(matches!(found, Err(ProbeError::Shape(_))), "{found:?}");
    }
    let halves: Tensor = normal(3, 2, 0).to_kind(Kind::Half);
    let data = Labelled::new(&halves, &[2, 0, 2], 4).unwrap();
    assert_eq!(data.class_counts(), [1, 0, 2, 0]);
}
