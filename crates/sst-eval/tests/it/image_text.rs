//! Compares figures of pictures and captions with numpy and enumeration, and principal components with scikit-learn.

use sst_eval::metric::{best_rank, chance_hit_rate_at_k, chance_reciprocal_rank};
use sst_eval::probe::pca;
use tch::{Device, Kind, Tensor};

use crate::golden::{array, close, golden, integers, number, numbers, size};

const GOLDEN: &str = "image_text";

#[test]
fn the_best_rank_counts_equal_scores_that_are_wrong() {
    let case = golden(GOLDEN, "ranks");
    let mut ranks = Vec::new();
    for (scores, relevant) in array(&case["scores"]).iter().zip(array(&case["relevant"])) {
        let scores: Vec<f32> = numbers(scores).into_iter().map(|score| score as f32).collect();
        let relevant = integers(relevant);
        ranks.push(best_rank(&scores, |at| relevant.contains(&(at as i64))).unwrap() as i64);
    }
    assert_eq!(ranks, integers(&case["ranks"]));
    let mean = |value: &dyn Fn(i64) -> f64| {
        ranks.iter().map(|rank| value(*rank)).sum::<f64>() / ranks.len() as f64
    };
    for k in [1, 5, 10] {
        let share = mean(&|rank| f64::from(u8::from(rank <= k)));
        close("recall", share, number(&case["recall"][k.to_string()]), 1e-12);
    }
    close("mrr", mean(&|rank| 1.0 / rank as f64), number(&case["mrr"]), 1e-12);
    // A model that has collapsed finds nothing.
    assert_eq!(best_rank(&[0.5; 4], |at| at == 0), Some(4));
    assert_eq!(best_rank(&[0.5; 4], |_| false), None);
}

#[test]
fn chance_is_the_mean_over_all_orders() {
    for case in array(&golden(GOLDEN, "chance")) {
        let (documents, relevant) = (size(&case["documents"]), size(&case["relevant"]));
        let what = format!("{relevant} of {documents}");
        for k in [1, 5, 10] {
            let found = chance_hit_rate_at_k(documents, relevant, k);
            close(&what, found, number(&case["hit"][k.to_string()]), 1e-12);
        }
        let found = chance_reciprocal_rank(documents, relevant);
        close(&what, found, number(&case["mrr"]), 1e-12);
    }
    assert_eq!((chance_hit_rate_at_k(5, 0, 3), chance_reciprocal_rank(5, 0)), (0.0, 0.0));
}

#[test]
fn principal_components_are_those_of_scikit_learn() {
    for case in array(&golden(GOLDEN, "pca")) {
        let rows: Vec<Vec<f64>> = array(&case["features"]).iter().map(numbers).collect();
        let flat: Vec<f32> = rows.iter().flatten().map(|value| *value as f32).collect();
        let x = Tensor::from_slice(&flat).reshape([rows.len() as i64, -1]);
        let found = pca(&x, size(&case["count"]) as i64).unwrap();
        let variances = numbers(&case["variances"]);
        // The third case asks for more components than 9 rows have directions.
        assert_eq!(found.count(), variances.len());
        for (found, expected) in found.variances().iter().zip(&variances) {
            close("variance", *found, *expected, 1e-9 * variances[0]);
        }
        let projected = found.project(&x).unwrap().abs();
        let coordinates: Vec<f64> = array(&case["coordinates"]).iter().flat_map(numbers).collect();
        let expected = Tensor::from_slice(&coordinates).reshape(projected.size());
        let distance = (projected - expected).abs().max().double_value(&[]);
        assert!(distance < 1e-5, "{distance}");
    }
    let equal = Tensor::ones([4, 3], (Kind::Float, Device::Cpu));
    assert!(pca(&equal, 2).is_err());
    assert!(pca(&equal.narrow(0, 0, 1), 2).is_err());
}
