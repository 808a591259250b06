//! Control tasks.

use sst_eval::metric::accuracy;
use sst_eval::probe::{
    ControlTask, Labelled, LogisticOptions, ProbeError, SelectionOptions, linear_probe,
    majority_accuracy, seen_fraction, selectivity,
};

use super::shifted;

#[test]
fn labels_depend_on_the_type_and_the_seed_alone() {
    let task = ControlTask::new(&[0, 1, 1, 2], 3, 7).unwrap();
    let names = ["light", "night", "light", "夜", ""];
    let labels = task.labels(&names);
    assert_eq!(labels[0], labels[2]);
    let backwards: Vec<&str> = names.iter().rev().copied().collect();
    assert!(task.labels(&backwards).iter().rev().eq(&labels));
    let types: Vec<String> = (0..200).map(|number| format!("word{number}")).collect();
    let other = ControlTask::new(&[0, 1, 1, 2], 3, 8).unwrap();
    let equal = accuracy(&task.labels(&types), &other.labels(&types)).unwrap();
    // Two draws are equal with probability 1/16 + 1/4 + 1/16 = 0.375; 0.15 is more than four deviations.
    assert!((equal - 0.375).abs() < 0.15, "{equal}");
}

#[test]
fn labels_are_drawn_as_often_as_the_training_part_has_them() {
    // 1/8, none, 5/8, 1/4.
    let task = ControlTask::new(&[2, 0, 2, 3, 2, 2, 3, 2], 5, 1).unwrap();
    let mut counts = [0_u32; 5];
    for number in 0..20_000 {
        counts[task.label(&number.to_string()) as usize] += 1;
    }
    for (count, share) in counts.iter().zip([0.125, 0.0, 0.625, 0.25, 0.0]) {
        // Four deviations of a share of one half.
        let off = (f64::from(*count) / 20_000.0 - share).abs();
        assert!(off <= if share == 0.0 { 0.0 } else { 0.0142 }, "{counts:?}");
    }
}

#[test]
fn a_probe_that_can_only_memorise_has_no_selectivity() {
    // 300 rows of 30 types, whose class is the type's, so that vectors say nothing of the type itself.
    let (train, test) = (shifted(300, 12, 6, 4.0, 1), shifted(300, 12, 6, 4.0, 2));
    let types: Vec<String> = (0..300).map(|row| (row % 30).to_string()).collect();
    let task = ControlTask::new(train.labels(), 6, 3).unwrap();
    let control = task.labels(&types);
    let measure = |train: &Labelled, test: &Labelled| {
        let options = (SelectionOptions::default(), LogisticOptions::default());
        linear_probe(train, test, &options.0, &options.1).unwrap()
    };
    let real = measure(&train, &test);
    let controlled =
        measure(&train.relabelled(&control, 6).unwrap(), &test.relabelled(&control, 6).unwrap());
    assert!(real.accuracy > 0.9, "{}", real.accuracy);
    // The class of a row narrows its type down to 5 of 30, whose labels differ.
    let gain = selectivity(real.accuracy, controlled.accuracy);
    assert!(gain > 0.2, "{gain}");
    assert!(controlled.accuracy >= controlled.majority - 0.1);
}

#[test]
fn baselines_and_wrong_labels() {
    assert_eq!(majority_accuracy(&[1, 1, 0], &[1, 0, 0, 0]), Some(0.25));
    assert_eq!(majority_accuracy(&[4, 2, 4, 2], &[2]), Some(1.0));
    assert_eq!(majority_accuracy(&[], &[2]), None);
    assert_eq!(majority_accuracy(&[2], &[]), None);
    assert_eq!(seen_fraction(&["a", "b"], &["b", "b", "c", "a"]), Some(0.75));
    assert_eq!(seen_fraction(&["a"], &[]), None);
    let wrong = ControlTask::new(&[0, 3], 3, 0);
    assert!(matches!(wrong, Err(ProbeError::Label { row: 1, label: 3, classes: 3 })), "{wrong:?}");
    let none = ControlTask::new(&[], 3, 0);
    assert!(matches!(none, Err(ProbeError::Rows { .. })), "{none:?}");
}
