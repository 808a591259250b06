//! Nearest neighbours against scikit-learn and the votes of DINO.

use sst_eval::probe::{Labelled, ProbeError, Vote, knn_classify};
use tch::{Kind, Tensor};

use super::{Golden, integers, normal, number};

#[test]
fn labels_are_those_of_scikit_learn_and_dino() {
    let golden = Golden::open();
    let train = golden.labelled("knn.train", "knn.labels", 5);
    let queries = golden.tensor("knn.queries");
    let temperature = number(&golden.figures["temperature"]);
    for case in golden.cases("knn", 6) {
        let k = case["k"].as_u64().unwrap() as usize;
        let votes = [("majority", Vote::Majority), ("weighted", Vote::Weighted { temperature })];
        for (kind, vote) in votes {
            let got = knn_classify(&train, &queries, k, vote).unwrap();
            assert_eq!(got, integers(&case[kind]), "{kind}, k = {k}");
        }
    }
}

#[test]
fn tied_votes_go_to_the_smallest_class_and_tied_neighbours_to_the_lower_row() {
    let features = Tensor::from_slice(&[1.0, 0.0, 0.0, 2.0, 0.0, 1.0, 3.0, 0.0]).view([4, 2]);
    let train = Labelled::new(&features, &[3, 1, 2, 0], 4).unwrap();
    let query = Tensor::from_slice(&[1.0, 1.0]).view([1, 2]);
    let classify = |k, vote| knn_classify(&train, &query, k, vote).unwrap()[0];
    // All four are as near.
    assert_eq!([1, 2, 3, 4].map(|k| classify(k, Vote::Majority)), [3, 1, 1, 0]);
    // The nearest one has as many votes as rounding leaves the others, however small the temperature is.
    let cold = Vote::Weighted { temperature: 1e-30 };
    let near = Tensor::from_slice(&[1.0, 0.9]).view([1, 2]);
    assert_eq!(knn_classify(&train, &near, 4, cold).unwrap(), [0]);
    let near = Tensor::from_slice(&[0.9, 1.0]).view([1, 2]);
    assert_eq!(knn_classify(&train, &near, 4, cold).unwrap(), [1]);
    // The length of a vector changes nothing, however great or small.
    for scale in [1e-40, 1e30] {
        let train = Labelled::new(&(&features * scale), &[3, 1, 2, 0], 4).unwrap();
        assert_eq!(knn_classify(&train, &(&near * scale), 4, cold).unwrap(), [1]);
    }
}

#[test]
fn what_cannot_vote_is_refused() {
    let train = Labelled::new(&normal(4, 3, 0), &[0, 1, 0, 1], 2).unwrap();
    let check = |queries: &Tensor, k, vote| knn_classify(&train, queries, k, vote).unwrap_err();
    let queries = normal(2, 3, 1);
    let error = check(&queries, 0, Vote::Majority);
    assert!(matches!(error, ProbeError::Option { key: "k", .. }), "{error}");
    let error = check(&queries, 5, Vote::Majority);
    assert!(matches!(error, ProbeError::Rows { rows: 4, needed: 5, .. }), "{error}");
    let error = check(&normal(2, 4, 1), 1, Vote::Majority);
    assert!(matches!(error, ProbeError::Width { expected: 3, found: 4 }), "{error}");
    let error = check(&(&queries * f64::NAN), 1, Vote::Majority);
    assert!(matches!(error, ProbeError::NotFinite { row: 0 }), "{error}");
    for temperature in [0.0, -1.0, f64::NAN] {
        let error = check(&queries, 1, Vote::Weighted { temperature });
        assert!(matches!(error, ProbeError::Option { key: "temperature", .. }), "{error}");
    }
    let none = knn_classify(&train, &normal(0, 3, 1).to_kind(Kind::Float), 1, Vote::Majority);
    assert_eq!(none.unwrap(), Vec::<i64>::new());
}
