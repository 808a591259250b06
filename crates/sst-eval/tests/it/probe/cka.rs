//! CKA against numpy.

use sst_eval::probe::{ProbeError, cka, debiased_cka};
use tch::{Kind, Tensor};

use super::{Golden, normal, number, text};

#[test]
fn both_kinds_are_those_of_numpy() {
    let golden = Golden::open();
    for case in golden.cases("cka", 7) {
        let name = text(case, "name");
        let (x, y) =
            (golden.tensor(&format!("cka.{name}.x")), golden.tensor(&format!("cka.{name}.y")));
        for (kind, got) in [("biased", cka(&x, &y)), ("debiased", debiased_cka(&x, &y))] {
            let (got, want) = (got.unwrap(), number(&case[kind]));
            assert!((got - want).abs() <= 1e-8, "{name}, {kind}: {got} is not {want}");
        }
        let (xy, yx) = (cka(&x, &y).unwrap(), cka(&y, &x).unwrap());
        assert!((xy - yx).abs() < 1e-12, "{name}: {xy} and {yx}");
    }
}

#[test]
fn independent_vectors_look_alike_to_the_biased_kind_alone() {
    let figures = (0..40).map(|seed| {
        let (x, y) = (normal(32, 64, 2 * seed), normal(32, 64, 2 * seed + 1));
        (cka(&x, &y).unwrap(), debiased_cka(&x, &y).unwrap())
    });
    let (biased, debiased): (Vec<f64>, Vec<f64>) = figures.unzip();
    let mean = |figures: &[f64]| figures.iter().sum::<f64>() / figures.len() as f64;
    assert!(mean(&biased) > 0.5, "{biased:?}");
    assert!(mean(&debiased).abs() < 0.025, "{debiased:?}");
    assert!(debiased.iter().all(|figure| figure.abs() < 0.2), "{debiased:?}");
}

#[test]
fn rotation_scale_and_shift_change_nothing_on_either_side_of_the_sum() {
    // More rows than a block holds: features where rows are more, kernels where features are.
    for (n, d) in [(9000, 3), (1100, 1200)] {
        let x = normal(n, d, 3);
        let (q, _) = Tensor::linalg_qr(&normal(d, d, 4), "reduced");
        let y = x.matmul(&q) * 3.0 + 2.0;
        for got in [cka(&x, &y), debiased_cka(&x, &y)] {
            assert!((got.unwrap() - 1.0).abs() < 1e-9, "{n} rows");
        }
    }
    // fp32 is read as the numbers that it holds.
    let (x, y) = (normal(50, 4, 5).to_kind(Kind::Float), normal(50, 9, 6));
    assert_eq!(cka(&x, &y).unwrap(), cka(&x.to_kind(Kind::Double), &y).unwrap());
}

#[test]
fn what_has_no_similarity_is_refused() {
    let x = normal(8, 3, 0);
    let check = |y: &Tensor| [cka(&x, y), debiased_cka(&x, y)].map(Result::unwrap_err);
    for error in check(&(Tensor::zeros_like(&x) + 0.1)) {
        assert!(matches!(error, ProbeError::Constant("second")), "{error}");
    }
    for error in check(&normal(7, 3, 0)) {
        assert!(matches!(error, ProbeError::Count { found: 7, expected: 8, .. }), "{error}");
    }
    for error in check(&(normal(8, 3, 0) / 0.0)) {
        assert!(matches!(error, ProbeError::NotFinite { row: 0 }), "{error}");
    }
    let few = debiased_cka(&normal(3, 2, 0), &normal(3, 2, 1));
    assert!(matches!(few, Err(ProbeError::Rows { rows: 3, needed: 4, .. })), "{few:?}");
}
