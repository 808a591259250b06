//! The choice of C against scikit-learn, and the linear probe that uses it.

use sst_eval::probe::{
    GridEnd, Labelled, LogisticOptions, ProbeError, SelectionOptions, linear_probe, select_c,
    select_c_on,
};

use super::{Golden, classes, normal, number, numbers, shifted, text};

#[test]
fn accuracies_on_folds_are_those_of_scikit_learn() {
    let golden = Golden::open();
    let grid = numbers(&golden.figures["grid"]);
    let options = SelectionOptions { grid, folds: 4, validated: 4, seed: 0 };
    for case in golden.cases("selection", 4) {
        let name = text(case, "data");
        let train = golden.labelled(
            &format!("{name}.train"),
            &format!("{name}.train_labels"),
            classes(&name),
        );
        let folds = golden.integers(&format!("{name}.folds"));
        let folds: Vec<usize> = folds.into_iter().map(|fold| fold as usize).collect();
        let found = select_c_on(&train, &folds, &options, &LogisticOptions::default()).unwrap();
        for (candidate, want) in found.candidates.iter().zip(numbers(&case["accuracies"])) {
            assert!((candidate.accuracy - want).abs() < 1e-12, "{name}: {candidate:?}, not {want}");
            assert!(candidate.convergence.converged(), "{name}: {candidate:?}");
        }
        assert_eq!(found.candidates.len(), options.grid.len());
        assert_eq!(found.c, number(&case["c"]), "{name}");
    }
}

#[test]
fn a_choice_at_an_end_of_the_grid_is_told() {
    let thirds = shifted(210, 10, 3, 3.0, 4);
    let labels: Vec<i64> = thirds.labels().iter().map(|label| (*label).min(1)).collect();
    let train = thirds.relabelled(&labels, 2).unwrap();
    let check = |grid: &[f64], want| {
        let options = SelectionOptions { grid: grid.to_vec(), ..SelectionOptions::default() };
        let found = select_c(&train, &options, &LogisticOptions::default()).unwrap();
        assert_eq!(found.end, want, "{found:?}");
        assert_eq!(found.candidates.len(), grid.len());
    };
    // With a C of 1e-12 the intercept decides, for the commoner class.
    check(&[1e-12, 0.1], Some(GridEnd::Largest));
    // They do equally well.
    check(&[0.1, 0.100_001], Some(GridEnd::Smallest));
    check(&[1e-12, 0.1, 0.100_001], None);
    check(&[0.1], None);
}

#[test]
fn rare_classes_are_counted_and_wrong_options_refused() {
    let labels = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 4];
    let train = Labelled::new(&normal(13, 3, 1), &labels, 6).unwrap();
    let (options, logistic) = (SelectionOptions::default(), LogisticOptions::default());
    assert_eq!(select_c(&train, &options, &logistic).unwrap().rare_classes, 2);
    for grid in [vec![], vec![1.0, 1.0], vec![2.0, 1.0], vec![0.0, 1.0], vec![f64::NAN]] {
        let found = select_c(&train, &SelectionOptions { grid, ..options.clone() }, &logistic);
        assert!(matches!(found, Err(ProbeError::Option { key: "grid", .. })), "{found:?}");
    }
    for validated in [0, 6] {
        let options = SelectionOptions { validated, ..options.clone() };
        let found = select_c(&train, &options, &logistic);
        assert!(matches!(found, Err(ProbeError::Option { key: "validated", .. })), "{found:?}");
    }
    let many = SelectionOptions { folds: 14, ..options };
    let found = select_c(&train, &many, &logistic);
    assert!(matches!(found, Err(ProbeError::Rows { rows: 13, needed: 14, .. })), "{found:?}");
}

#[test]
fn the_test_part_changes_nothing_but_its_own_figures() {
    let train = shifted(150, 6, 3, 2.0, 7);
    let (options, logistic) = (SelectionOptions::default(), LogisticOptions::default());
    let [one, other] = [8, 9].map(|seed| {
        let test = shifted(90, 6, 3, if seed == 8 { 2.0 } else { 0.0 }, seed);
        linear_probe(&train, &test, &options, &logistic).unwrap()
    });
    assert_eq!(one.selection, other.selection);
    assert_eq!(one.convergence, other.convergence);
    assert!(one.accuracy > other.accuracy + 0.2, "{} and {}", one.accuracy, other.accuracy);
    assert!((one.majority - 1.0 / 3.0).abs() < 1e-12);
    assert_eq!(one.predictions.len(), 90);
    let again = linear_probe(&train, &shifted(90, 6, 3, 2.0, 8), &options, &logistic).unwrap();
    assert_eq!(one, again);
}
