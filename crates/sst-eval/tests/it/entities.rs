//! Counts and figures of entities, against seqeval and by hand.

use proptest::prelude::*;
use serde_json::Value;
use sst_data::entities::{Entity, EntityError, EntityScheme};
use sst_eval::metric::{
    ClassCounts, EntityCounts, MetricError, OverlapCounts, Reading, Scores, entity_counts,
    entity_counts_of_labels,
};

use crate::golden::{array, close, golden, integers, numbers, texts};

fn counts(numbers: &[i64]) -> ClassCounts {
    let number = |at: usize| numbers[at] as u64;
    ClassCounts { true_positives: number(0), predicted: number(1), gold: number(2) }
}

fn sequences<'a>(case: &'a Value, part: &str) -> Vec<Vec<&'a str>> {
    let table = texts(&case["labels"]);
    let label = |digit: char| table[digit.to_digit(36).unwrap() as usize];
    texts(&case[part]).iter().map(|digits| digits.chars().map(label).collect()).collect()
}

fn same_scores(what: &str, got: Scores, want: &Value) {
    let got = [got.precision, got.recall, got.f1];
    got.into_iter().zip(numbers(want)).for_each(|(got, want)| close(what, got, want, 1e-12));
}

#[test]
fn counts_are_those_of_seqeval() {
    let schemes = golden("entities", "schemes");
    for case in array(&schemes) {
        let scheme: EntityScheme = case["scheme"].as_str().unwrap().parse().unwrap();
        let (gold, predicted) = (sequences(case, "gold"), sequences(case, "predicted"));
        assert_eq!(gold.len(), 1000);
        for (mode, reading) in [("lenient", Reading::Lenient), ("strict", Reading::Strict(scheme))]
        {
            let (what, case) = (format!("{scheme} {mode}"), &case[mode]);
            let all = entity_counts_of_labels(&gold, &predicted, reading).unwrap();
            for (kind, want) in case["types"].as_object().unwrap() {
                assert_eq!(all.types[kind], counts(&integers(want)), "{what} {kind}");
            }
            assert_eq!(all.types.len(), 3, "{what}");
            let averages = all.averages();
            same_scores(&what, averages.micro_average, &case["averages"]["micro"]);
            same_scores(&what, averages.macro_average, &case["averages"]["macro"]);
            same_scores(&what, averages.weighted_average, &case["averages"]["weighted"]);
            for (at, want) in array(&case["counts"]).iter().enumerate() {
                let (gold, predicted) = (&gold[at..=at], &predicted[at..=at]);
                let found = entity_counts_of_labels(gold, predicted, reading).unwrap();
                assert_eq!(found.total(), counts(&integers(want)), "{what} {gold:?} {predicted:?}");
            }
        }
    }
}

fn entity(start: usize, end: usize, label: &str) -> Entity<'_> {
    Entity { start, end, label }
}

#[test]
fn entities_are_right_if_type_and_both_ends_are() {
    let gold = vec![
        vec![entity(0, 2, "PER"), entity(3, 6, "LOC"), entity(8, 9, "PER")],
        vec![],
        vec![entity(0, 1, "人名")],
    ];
    let predicted = vec![
        // The last entity touches a gold one, and shares no token with it.
        vec![entity(0, 2, "PER"), entity(4, 6, "LOC"), entity(8, 9, "ORG"), entity(6, 7, "LOC")],
        vec![entity(1, 2, "ORG")],
        vec![entity(0, 1, "人名"), entity(0, 1, "人名")],
    ];
    let found = entity_counts(&gold, &predicted).unwrap();
    let check = |kind: &str, [tp, predicted, gold]: [u64; 3], overlaps: [u64; 4]| {
        let want = ClassCounts { true_positives: tp, predicted, gold };
        assert_eq!(found.types[kind], want, "{kind}");
        let OverlapCounts { gold, gold_found, predicted, predicted_right } = found.overlaps[kind];
        assert_eq!([gold_found, gold, predicted_right, predicted], overlaps, "{kind}");
    };
    check("PER", [1, 1, 2], [1, 2, 1, 1]);
    check("LOC", [0, 2, 1], [1, 1, 1, 2]);
    check("ORG", [0, 2, 0], [0, 0, 0, 2]);
    // One that stands twice counts once.
    check("人名", [1, 1, 1], [1, 1, 1, 1]);
    assert_eq!(found.total(), ClassCounts { true_positives: 2, predicted: 6, gold: 4 });
    let averages = found.averages();
    assert_eq!((averages.classes, averages.without_gold, averages.without_predictions), (4, 1, 0));
}

#[test]
fn the_lenient_reading_flatters() {
    let (gold, predicted) = ([vec!["B-X", "I-X", "O"]], [vec!["I-X", "I-X", "O"]]);
    let f1 = |reading| {
        let counts = entity_counts_of_labels(&gold, &predicted, reading).unwrap();
        counts.averages().micro_average.f1
    };
    assert_eq!(f1(Reading::Lenient), 1.0);
    assert_eq!(f1(Reading::Strict(EntityScheme::Iob2)), 0.0);
}

#[test]
fn nothing_to_find() {
    let none = entity_counts(&[], &[]).unwrap();
    assert_eq!(none, EntityCounts::default());
    assert_eq!(none.averages().micro_average, Scores::default());
    let labels: [Vec<&str>; 2] = [vec![], vec!["O", "O"]];
    let found = entity_counts_of_labels(&labels, &labels, Reading::Lenient).unwrap();
    assert_eq!((found.types.len(), found.averages().classes), (0, 0));
}

#[test]
fn sequences_that_do_not_fit_are_refused() {
    let length = |what, found, wanted| Err(MetricError::Length { what, found, wanted });
    assert_eq!(entity_counts(&[vec![]], &[]), length("predicted sequences", 0, 1));
    let check = |gold: &[Vec<&str>], predicted: &[Vec<&str>], expected| {
        let reading = Reading::Strict(EntityScheme::Iob2);
        assert_eq!(entity_counts_of_labels(gold, predicted, reading), expected);
    };
    check(&[vec![]], &[], length("predicted sequences", 0, 1));
    check(&[vec!["O", "O"]], &[vec!["O"]], length("predicted labels of a sequence", 1, 2));
    let error = EntityError::OtherScheme { label: "E-X".to_owned(), scheme: EntityScheme::Iob2 };
    let labels = [vec!["O"], vec!["E-X"]];
    check(&labels, &labels, Err(MetricError::Entities { sequence: 1, error }));
}

proptest! {
    /// What is exact overlaps, and no figure counts more than there is.
    #[test]
    fn overlaps_are_at_least_the_exact_ones(
        gold in prop::collection::vec(0_usize..7, 0..20),
        noise in prop::collection::vec(0_usize..9, 20),
    ) {
        let table = ["O", "B-X", "I-X", "B-Y", "I-Y", "B-Z", "I-Z"];
        let predicted: Vec<&str> = gold.iter().zip(&noise)
            .map(|(label, noise)| table[if *noise < 7 { *noise } else { *label }]).collect();
        let gold: Vec<&str> = gold.iter().map(|label| table[*label]).collect();
        let found = entity_counts_of_labels(&[gold], &[predicted], Reading::Lenient).unwrap();
        for (kind, exact) in &found.types {
            let overlaps = found.overlaps[kind];
            prop_assert_eq!((overlaps.gold, overlaps.predicted), (exact.gold, exact.predicted));
            prop_assert!(exact.true_positives <= overlaps.gold_found);
            prop_assert!(exact.true_positives <= overlaps.predicted_right);
            prop_assert!(overlaps.gold_found <= exact.gold);
            prop_assert!(overlaps.predicted_right <= exact.predicted);
        }
    }
}
