//! Linear layers without gradients give what libtorch's give.

use sst_core::ext::{Layout, fast_linear, has_linear_kernel};
use sst_core::nn;
use sst_data::SeqRng;
use tch::{Kind, Tensor, no_grad};

fn normal(index: u64, shape: &[i64]) -> Tensor {
    let mut rng = SeqRng::new(5, "test.linear", 0, index);
    let values: Vec<f32> = (0_i64..shape.iter().product()).map(|_| rng.normal() as f32).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// The 2-norm of the difference, relative.
fn distance(found: &Tensor, expected: &Tensor) -> f64 {
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    assert_eq!(found.size(), expected.size());
    (found - &expected).norm().double_value(&[]) / expected.norm().double_value(&[])
}

#[test]
fn both_layouts_of_any_size() {
    // Vectors and tiles with and without a rest; more than one chunk; every number of rows.
    for (input, output) in [
        (1, 1),
        (7, 5),
        (16, 96),
        (40, 97),
        (64, 512),
        (75, 1030),
        (129, 515),
        (520, 33),
        (1100, 40),
    ] {
        // The few, and many with every rest that tiles leave.
        for rows in (1..=16).chain(17..=32).chain([112, 113, 250]) {
            let x = normal(0, &[rows, input]);
            let weight = normal(1, &[output, input]);
            let bias = normal(2, &[output]);
            let double = |x: &Tensor| x.to_kind(Kind::Double);
            let expected = double(&x).linear(&double(&weight), Some(&double(&bias)));
            no_grad(|| {
                let turned = weight.tr().contiguous();
                for (weight, layout) in [(&weight, Layout::OutIn), (&turned, Layout::InOut)] {
                    let y = fast_linear(&x, weight, layout, Some(&bias)).unwrap();
                    let found = distance(&y, &expected);
                    assert!(found < 2e-6, "{rows} x {input} x {output}, {layout:?}: {found}");
                    let plain = fast_linear(&x, weight, layout, None).unwrap();
                    let found = distance(&(plain + &bias), &expected);
                    assert!(found < 2e-6, "{rows} x {input} x {output}, {layout:?}: {found}");
                }
            });
        }
    }
}

/// Tokens that are generated in a batch are those that are generated alone.
#[test]
fn a_row_does_not_depend_on_the_others() {
    let (x, weight) = (normal(0, &[13, 70]), normal(1, &[130, 70]));
    let turned = weight.tr().contiguous();
    no_grad(|| {
        for (weight, layout) in [(&weight, Layout::OutIn), (&turned, Layout::InOut)] {
            let all = fast_linear(&x, weight, layout, None).unwrap();
            for row in 0..13 {
                let alone = fast_linear(&x.narrow(0, row, 1), weight, layout, None).unwrap();
                assert_eq!(alone, all.narrow(0, row, 1), "{layout:?}, row {row}");
            }
        }
    });
}

#[test]
fn what_does_not_fit_goes_to_libtorch_or_is_an_error() {
    let (x, weight) = (normal(0, &[2, 8]), normal(1, &[4, 8]));
    let has = |x: &Tensor, weight: &Tensor| has_linear_kernel(x, weight).unwrap();
    assert!(!has(&x, &weight), "gradients are on");
    assert!(fast_linear(&x, &weight, Layout::OutIn, None).is_err());
    let tracked = weight.set_requires_grad(true);
    let y = nn::linear(&x, &tracked, None).unwrap();
    y.sum(Kind::Float).backward();
    assert_eq!(tracked.grad().size(), [4, 8]);
    let weight = tracked.detach();
    no_grad(|| {
        assert!(has(&x, &weight));
        assert!(!has(&x.to_kind(Kind::BFloat16), &weight));
        assert!(!has(&x, &weight.to_kind(Kind::BFloat16)));
        assert!(!has(&x.unsqueeze(0), &weight));
        assert!(!has(&x, &weight.tr()), "the weight is not contiguous");
        // Rows that are not contiguous are copied.
        let y = fast_linear(&normal(3, &[8, 2]).tr(), &weight, Layout::OutIn, None).unwrap();
        assert!(distance(&y, &normal(3, &[8, 2]).tr().matmul(&weight.tr())) < 1e-6);
        for (width, bias) in [(9, 4), (8, 5)] {
            let (x, bias) = (normal(4, &[2, width]), normal(5, &[bias]));
            let error = fast_linear(&x, &weight, Layout::OutIn, Some(&bias)).unwrap_err();
            assert!(error.to_string().contains("width"), "{error}");
        }
    });
}
