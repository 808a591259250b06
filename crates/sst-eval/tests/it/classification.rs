//! Figures of predicted classes, numbers and probabilities, against scikit-learn and by hand.

use serde_json::Value;
use sst_eval::metric::{
    Averages, ClassCounts, ConfusionMatrix, MacroOver, MetricError, Scores, accuracy, class_counts,
    hamming_loss, matthews_correlation, mean_squared_error, multi_label_counts, r_squared, roc_auc,
    roc_auc_multi_label, roc_auc_one_vs_rest, subset_accuracy,
};

use crate::golden::{array, close, golden, integers, number, numbers, size, truths};

const TOLERANCE: f64 = 1e-12;

fn same_scores(what: &str, got: Scores, want: &[f64]) {
    let got = [got.precision, got.recall, got.f1];
    got.into_iter().zip(want).for_each(|(got, want)| close(what, got, *want, TOLERANCE));
}

fn same_figures(what: &str, counts: &[ClassCounts], over: MacroOver, case: &Value) -> Averages {
    let by_class = array(&case["by_class"]);
    assert_eq!(counts.len(), by_class.len(), "{what}");
    for (counts, want) in counts.iter().zip(by_class) {
        let want = numbers(want);
        same_scores(what, counts.scores(), &want[..3]);
        assert_eq!(counts.gold as f64, want[3], "{what}");
    }
    let averages = Averages::new(counts, over);
    same_scores(what, averages.micro_average, &numbers(&case["averages"]["micro"]));
    same_scores(what, averages.macro_average, &numbers(&case["averages"]["macro"]));
    same_scores(what, averages.weighted_average, &numbers(&case["averages"]["weighted"]));
    averages
}

#[test]
fn figures_of_classes_are_those_of_scikit_learn() {
    for (at, case) in array(&golden("classification", "classes")).iter().enumerate() {
        let what = format!("case {at}");
        let (labels, predictions) = (integers(&case["labels"]), integers(&case["predictions"]));
        let num_classes = size(&case["num_classes"]);
        let counts = class_counts(&labels, &predictions, num_classes).unwrap();
        let averages = same_figures(&what, &counts, MacroOver::Occurring, case);
        assert_eq!(averages.classes + averages.absent, num_classes, "{what}");
        close(
            &what,
            accuracy(&labels, &predictions).unwrap(),
            number(&case["accuracy"]),
            TOLERANCE,
        );
        close(&what, averages.micro_average.f1, number(&case["accuracy"]), TOLERANCE);
        close(&what, matthews_correlation(&counts), number(&case["matthews"]), TOLERANCE);
        let matrix = ConfusionMatrix::new(&labels, &predictions, num_classes).unwrap();
        assert_eq!(matrix.class_counts(), counts, "{what}");
        let rows: Vec<Vec<i64>> =
            matrix.rows().map(|row| row.iter().map(|count| *count as i64).collect()).collect();
        let want: Vec<Vec<i64>> = array(&case["confusion"]).iter().map(integers).collect();
        assert_eq!(rows, want, "{what}");
    }
}

#[test]
fn classes_without_labels_or_predictions_are_counted() {
    // Class 0 is never predicted, class 2 has no label, class 3 has neither.
    let counts = class_counts(&[0, 0, 1, 1], &[2, 2, 1, 1], 4).unwrap();
    let check = |class: usize, [tp, predicted, gold]: [u64; 3], f1: f64| {
        let found = counts[class];
        assert_eq!([found.true_positives, found.predicted, found.gold], [tp, predicted, gold]);
        assert_eq!((found.false_positives(), found.false_negatives()), (predicted - tp, gold - tp));
        assert_eq!(found.scores().f1, f1, "class {class}");
    };
    check(0, [0, 0, 2], 0.0);
    check(1, [2, 2, 2], 1.0);
    check(2, [0, 2, 0], 0.0);
    check(3, [0, 0, 0], 0.0);
    let occurring = Averages::new(&counts, MacroOver::Occurring);
    let counted = |averages: &Averages| {
        let Averages { classes, without_gold, without_predictions, absent, .. } = *averages;
        [classes, without_gold, without_predictions, absent]
    };
    assert_eq!(counted(&occurring), [3, 1, 1, 1]);
    close("macro F1", occurring.macro_average.f1, 1.0 / 3.0, TOLERANCE);
    let all = Averages::new(&counts, MacroOver::All);
    assert_eq!(counted(&all), [4, 2, 2, 1]);
    close("macro F1", all.macro_average.f1, 0.25, TOLERANCE);
    assert_eq!(occurring.micro_average, all.micro_average);
    assert_eq!(Averages::new(&[], MacroOver::All), Averages::default());
}

#[test]
fn nothing_to_count() {
    let counts = class_counts(&[], &[], 3).unwrap();
    assert_eq!(counts, vec![ClassCounts::default(); 3]);
    let averages = Averages::new(&counts, MacroOver::Occurring);
    assert_eq!(averages, Averages { absent: 3, ..Averages::default() });
    assert_eq!(matthews_correlation(&counts), 0.0);
    assert_eq!(ConfusionMatrix::new(&[], &[], 0).unwrap().rows().count(), 0);
    assert_eq!(subset_accuracy(&[], &[], 3).unwrap(), None);
    assert_eq!(hamming_loss(&[], &[], 3).unwrap(), None);
    assert_eq!(mean_squared_error(&[], &[]).unwrap(), None);
    assert_eq!(roc_auc(&[], &[]).unwrap(), None);
    let areas = roc_auc_one_vs_rest(&[], &[], 2).unwrap();
    assert_eq!((areas.macro_average, areas.left_out), (None, 2));
}

#[test]
fn matthews_correlation_keeps_its_digits() {
    // Of 10^10 examples 2 are of class 1; one of them is found.
    let n = 10_000_000_000;
    let counts = |tp, predicted, gold| ClassCounts { true_positives: tp, predicted, gold };
    let table = [counts(n - 3, n - 2, n - 2), counts(1, 2, 2)];
    let (tp, fp, fneg, tn) = (1.0, 1.0, 1.0, (n - 3) as f64);
    let two: f64 = (tp + fp) * (tp + fneg) * (tn + fp) * (tn + fneg);
    close("phi", matthews_correlation(&table), (tp * tn - fp * fneg) / two.sqrt(), TOLERANCE);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let length = |what, found, wanted| MetricError::Length { what, found, wanted };
    assert_eq!(class_counts(&[0, 1], &[0], 2), Err(length("predictions", 1, 2)));
    assert_eq!(ConfusionMatrix::new(&[], &[0], 2), Err(length("predictions", 1, 0)));
    for class in [-100, -1, 2] {
        let unknown = |what| MetricError::UnknownClass { what, example: 1, class, num_classes: 2 };
        assert_eq!(class_counts(&[0, class], &[0, 0], 2), Err(unknown("labels")));
        assert_eq!(class_counts(&[0, 0], &[0, class], 2), Err(unknown("predictions")));
        assert_eq!(ConfusionMatrix::new(&[0, 0], &[0, class], 2), Err(unknown("predictions")));
    }
    assert!(matches!(
        ConfusionMatrix::new(&[], &[], 4097),
        Err(MetricError::TooManyClasses { num_classes: 4097, .. })
    ));
    assert_eq!(multi_label_counts(&[true; 5], &[true; 5], 2), Err(length("labels", 5, 4)));
    assert_eq!(subset_accuracy(&[true; 4], &[true; 2], 2), Err(length("predictions", 2, 4)));
    assert_eq!(multi_label_counts(&[true], &[true], 0), Err(length("labels", 1, 0)));
    assert_eq!(roc_auc(&[true, false], &[0.5]), Err(length("scores", 1, 2)));
    assert_eq!(roc_auc_multi_label(&[true; 3], &[0.5; 3], 2), Err(length("labels", 3, 2)));
    assert_eq!(roc_auc_one_vs_rest(&[0, 1], &[0.5; 3], 2), Err(length("scores", 3, 4)));
    assert_eq!(mean_squared_error(&[1.0], &[]), Err(length("predictions", 0, 1)));
    for bad in [f64::NAN, f64::INFINITY] {
        let is_refused = |result: Result<(), MetricError>| {
            assert!(matches!(result, Err(MetricError::NotFinite { at: 1, .. })), "{result:?}");
        };
        is_refused(roc_auc(&[true, false], &[0.5, bad]).map(drop));
        is_refused(roc_auc_one_vs_rest(&[0], &[0.5, bad], 2).map(drop));
        is_refused(roc_auc_multi_label(&[true, false], &[0.5, bad], 2).map(drop));
        is_refused(mean_squared_error(&[0.5, bad], &[0.5, 0.5]).map(drop));
        is_refused(r_squared(&[0.5, 1.0], &[0.5, bad]).map(drop));
    }
    let message = roc_auc(&[true], &[f64::NAN]).unwrap_err().to_string();
    assert!(message.starts_with("number 0 of the scores is NaN, which is not finite"), "{message}");
}

#[test]
fn the_most_frequent_confusions_come_first() {
    let labels = [0, 0, 0, 1, 1, 2, 2];
    let predictions = [0, 1, 1, 2, 0, 1, 2];
    let matrix = ConfusionMatrix::new(&labels, &predictions, 3).unwrap();
    assert_eq!(matrix.confusions(), [(0, 1, 2), (1, 0, 1), (1, 2, 1), (2, 1, 1)]);
    assert_eq!((matrix.count(0, 1), matrix.count(3, 0), matrix.count(0, 3)), (2, 0, 0));
    assert_eq!(matrix.num_classes(), 3);
}

#[test]
fn figures_of_several_classes_an_example_are_those_of_scikit_learn() {
    for (at, case) in array(&golden("classification", "multi_label")).iter().enumerate() {
        let what = format!("case {at}");
        let (labels, predictions) = (truths(&case["labels"]), truths(&case["predictions"]));
        let num_classes = size(&case["num_classes"]);
        let counts = multi_label_counts(&labels, &predictions, num_classes).unwrap();
        same_figures(&what, &counts, MacroOver::All, case);
        let share = |found: Option<f64>, key: &str| {
            close(&what, found.unwrap(), number(&case[key]), TOLERANCE);
        };
        share(subset_accuracy(&labels, &predictions, num_classes).unwrap(), "subset_accuracy");
        share(hamming_loss(&labels, &predictions, num_classes).unwrap(), "hamming_loss");
    }
}

#[test]
fn areas_under_the_roc_are_those_of_scikit_learn() {
    for case in array(&golden("classification", "roc_auc")) {
        let area = roc_auc(&truths(&case["labels"]), &numbers(&case["scores"])).unwrap();
        close("area", area.unwrap(), number(&case["area"]), TOLERANCE);
    }
    let same = |found: &sst_eval::metric::ClassRocAucs, case: &Value| {
        assert_eq!(found.left_out, 0);
        close("macro", found.macro_average.unwrap(), number(&case["macro"]), TOLERANCE);
        for (area, want) in found.classes.iter().zip(numbers(&case["classes"])) {
            close("class", area.unwrap(), want, TOLERANCE);
        }
    };
    for case in array(&golden("classification", "one_vs_rest")) {
        let (labels, scores) = (integers(&case["labels"]), numbers(&case["scores"]));
        same(&roc_auc_one_vs_rest(&labels, &scores, size(&case["num_classes"])).unwrap(), case);
    }
    for case in array(&golden("classification", "multi_label_roc_auc")) {
        let (labels, scores) = (truths(&case["labels"]), numbers(&case["scores"]));
        same(&roc_auc_multi_label(&labels, &scores, size(&case["num_classes"])).unwrap(), case);
        let micro = roc_auc(&labels, &scores).unwrap().unwrap();
        close("micro", micro, number(&case["micro"]), TOLERANCE);
    }
}

#[test]
fn classes_without_an_area_are_left_out_and_counted() {
    assert_eq!(roc_auc(&[true, true], &[0.1, 0.2]).unwrap(), None);
    assert_eq!(roc_auc(&[false], &[0.1]).unwrap(), None);
    // Nobody has class 2.
    let scores = [0.7, 0.2, 0.1, 0.4, 0.5, 0.1, 0.3, 0.4, 0.3];
    let areas = roc_auc_one_vs_rest(&[0, 1, 1], &scores, 3).unwrap();
    assert_eq!(areas.classes, [Some(1.0), Some(1.0), None]);
    assert_eq!((areas.macro_average, areas.left_out), (Some(1.0), 1));
}

#[test]
fn figures_of_numbers_are_those_of_scikit_learn() {
    for case in array(&golden("classification", "regression")) {
        let (labels, predictions) = (numbers(&case["labels"]), numbers(&case["predictions"]));
        let error = mean_squared_error(&labels, &predictions).unwrap().unwrap();
        close("error", error, number(&case["mean_squared_error"]), TOLERANCE);
        let r_squared = r_squared(&labels, &predictions).unwrap().unwrap();
        close("r squared", r_squared, number(&case["r_squared"]), TOLERANCE);
    }
    assert_eq!(r_squared(&[1.0], &[1.0]).unwrap(), None);
    assert_eq!(r_squared(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]).unwrap(), None);
}
