//! Compares correlations with scipy, alignment and uniformity with the code of the paper, retrieval metrics with
//! sentence-transformers, and all of them with values computed by hand.

use std::collections::HashSet;
use std::path::Path;

use proptest::prelude::*;
use serde_json::Value;
use sst_eval::metric::{
    alignment, hit_rate_at_k, map_at_k, mrr_at_k, ndcg_at_k, pearson, ranks, recall_at_k, spearman,
    uniformity,
};

fn golden(part: &str) -> Value {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/retrieval/case.json");
    let text = std::fs::read_to_string(path).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()[part].take()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn assert_close(what: &str, got: Option<f64>, want: &Value, tolerance: f64) {
    let (got, want) = (got.unwrap(), want.as_f64().unwrap());
    assert!((got - want).abs() <= tolerance, "{what}: {got} is not {want}");
}

#[test]
fn correlations_equal_those_of_scipy() {
    for case in golden("correlations").as_array().unwrap() {
        let (x, y) = (numbers(&case["x"]), numbers(&case["y"]));
        // Numbers far from zero lose digits when the mean is subtracted.
        assert_close("pearson", pearson(&x, &y), &case["pearson"], 1e-9);
        assert_close("spearman", spearman(&x, &y), &case["spearman"], 1e-12);
        assert_eq!(ranks(&x), numbers(&case["ranks"]));
    }
}

#[test]
fn undefined_correlations_are_none() {
    let check = |x: &[f64], y: &[f64]| {
        assert_eq!(pearson(x, y), None, "{x:?} {y:?}");
        assert_eq!(spearman(x, y), None, "{x:?} {y:?}");
    };
    check(&[], &[]);
    check(&[1.0], &[2.0]);
    check(&[1.0, 2.0], &[3.0]);
    check(&[0.1, 0.1, 0.1], &[1.0, 2.0, 3.0]);
    check(&[1.0, f64::NAN, 3.0], &[1.0, 2.0, 3.0]);
    assert_eq!(pearson(&[1.0, f64::INFINITY], &[1.0, 2.0]), None);
    // Infinity has a rank, so Spearman's coefficient is defined.
    assert!((spearman(&[1.0, f64::INFINITY], &[1.0, 2.0]).unwrap() - 1.0).abs() < 1e-12);
}

#[test]
fn equal_numbers_get_the_mean_of_their_ranks() {
    assert_eq!(ranks(&[5.0, 1.0, 5.0, 0.0, -0.0, 5.0]), [5.0, 3.0, 5.0, 1.5, 1.5, 5.0]);
}

#[test]
fn alignment_and_uniformity_equal_those_of_the_papers_code() {
    let case = golden("embedding");
    let rows = |key: &str| -> Vec<f32> {
        case[key].as_array().unwrap().iter().flat_map(numbers).map(|x| x as f32).collect()
    };
    let (x, y) = (rows("x"), rows("y"));
    assert_close("alignment", alignment(&x, &y, 11), &case["alignment"], 1e-12);
    assert_close("uniformity of x", uniformity(&x, 11), &case["uniformity"][0], 1e-12);
    assert_close("uniformity of y", uniformity(&y, 11), &case["uniformity"][1], 1e-12);
}

#[test]
fn alignment_and_uniformity_equal_values_computed_by_hand() {
    let square = [1.0, 0.0, 0.0, 1.0, -1.0, 0.0, 0.0, -1.0];
    assert_eq!(alignment(&square[..4], &square[4..], 2), Some(4.0));
    // A square has four sides of squared length 2 and two diagonals of squared length 4.
    let want = ((4.0 * (-4_f64).exp() + 2.0 * (-8_f64).exp()) / 6.0).ln();
    assert!((uniformity(&square, 2).unwrap() - want).abs() < 1e-12);
    assert_eq!(alignment(&[], &square, 2), None);
    assert_eq!(uniformity(&square[..3], 2), None);
    assert_eq!(uniformity(&[], 2), None);
}

#[test]
fn retrieval_metrics_equal_those_of_sentence_transformers() {
    let case = golden("retrieval");
    let documents = |value: &Value| numbers(value).into_iter().map(|x| x as usize);
    let ranked: Vec<Vec<usize>> =
        case["ranked"].as_array().unwrap().iter().map(|row| documents(row).collect()).collect();
    let relevant: Vec<HashSet<usize>> =
        case["relevant"].as_array().unwrap().iter().map(|row| documents(row).collect()).collect();
    let cases = case["figures"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for want in cases {
        let k = want["k"].as_u64().unwrap() as usize;
        let check = |name: &str, got| assert_close(&format!("{name}@{k}"), got, &want[name], 1e-12);
        check("recall", recall_at_k(&ranked, &relevant, k));
        check("hit_rate", hit_rate_at_k(&ranked, &relevant, k));
        check("mrr", mrr_at_k(&ranked, &relevant, k));
        check("ndcg", ndcg_at_k(&ranked, &relevant, k));
        check("map", map_at_k(&ranked, &relevant, k));
    }
}

#[test]
fn retrieval_metrics_equal_values_computed_by_hand() {
    let ranked = [vec![4, 7, 1], vec![2, 3, 9]];
    let relevant = [HashSet::from([7, 1, 5]), HashSet::from([8])];
    let check = |got: Option<f64>, want: f64| {
        assert!((got.unwrap() - want).abs() < 1e-12, "{got:?} is not {want}");
    };
    check(recall_at_k(&ranked, &relevant, 2), 1.0 / 6.0);
    check(recall_at_k(&ranked, &relevant, 9), 2.0 / 6.0);
    check(hit_rate_at_k(&ranked, &relevant, 9), 0.5);
    check(mrr_at_k(&ranked, &relevant, 1), 0.0);
    check(mrr_at_k(&ranked, &relevant, 2), 0.25);
    let gain = |x: f64| 1.0 / x.log2();
    check(ndcg_at_k(&ranked, &relevant, 2), gain(3.0) / (gain(2.0) + gain(3.0)) / 2.0);
    check(map_at_k(&ranked, &relevant, 3), (1.0 / 2.0 + 2.0 / 3.0) / 3.0 / 2.0);
    for metric in [recall_at_k, hit_rate_at_k, mrr_at_k, ndcg_at_k, map_at_k] {
        check(metric(&ranked, &relevant, 0), 0.0);
        assert_eq!(metric(&ranked, &[HashSet::new(), HashSet::new()], 3), None);
        assert_eq!(metric(&[], &[], 3), None);
    }
}

proptest! {
    #[test]
    fn spearman_depends_on_the_order_only(pairs in prop::collection::vec((-50_i32..50, -50_i32..50), 2..40)) {
        let (x, y): (Vec<f64>, Vec<f64>) =
            pairs.into_iter().map(|(x, y)| (f64::from(x), f64::from(y))).unzip();
        let increasing: Vec<f64> = x.iter().map(|x| (x / 10.0).exp()).collect();
        let negated: Vec<f64> = x.iter().map(|x| -x).collect();
        let correlation = spearman(&x, &y);
        prop_assert_eq!(correlation, spearman(&increasing, &y));
        prop_assert_eq!(correlation.map(|c| -c), spearman(&negated, &y));
        prop_assert_eq!(correlation, spearman(&y, &x));
    }
}
