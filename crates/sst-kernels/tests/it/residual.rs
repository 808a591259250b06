//! Dropout, residual connection and LayerNorm in one pass give the same results as the separate operators.

use tch::{Kind, Tensor};

use crate::numbers;

fn normal(index: u64, shape: &[i64], kind: Kind) -> Tensor {
    let tensor = numbers::normal("test.residual", index, shape) + 0.5;
    tensor.to_kind(kind).set_requires_grad(true)
}

/// The result and the gradients of x, residual, weight and bias, as fp64.
fn run(shape: &[i64], kinds: [Kind; 2], f: impl Fn([&Tensor; 4]) -> Tensor) -> Vec<Tensor> {
    let width = [*shape.last().unwrap()];
    let inputs = [
        normal(0, shape, kinds[0]),
        normal(1, shape, kinds[1]),
        normal(2, &width, Kind::Float),
        normal(3, &width, Kind::Float),
    ];
    let y = f(inputs.each_ref());
    let weights = normal(4, shape, Kind::Float).detach();
    (&y * weights).sum(Kind::Float).f_backward().unwrap();
    let mut all = vec![y];
    all.extend(inputs.iter().map(Tensor::grad));
    assert!(all[1].kind() == kinds[0] && all[2].kind() == kinds[1]);
    all.iter().map(|tensor| tensor.detach().to_kind(Kind::Double)).collect()
}

fn close(found: &[Tensor], expected: &[Tensor], tolerance: f64) {
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).norm().double_value(&[]);
        let size = expected.norm().double_value(&[]);
        assert!(difference <= tolerance * size, "{i}: {difference} of {size}");
    }
}

#[test]
fn the_kernel_equals_the_operators() {
    let eps = 1e-5;
    for shape in [&[1, 3][..], &[40, 17], &[3, 50, 256]] {
        for (kinds, tolerance) in [
            ([Kind::Float, Kind::Float], 1e-6),
            // The reference rounds to bf16 where the kernel does, except for the rounding of the sum.
            ([Kind::BFloat16, Kind::Float], 3e-3),
            ([Kind::BFloat16, Kind::BFloat16], 1e-2),
        ] {
            let kernel = run(shape, kinds, |[x, residual, weight, bias]| {
                // Both handles are used, so that gradients come from both.
                let [y, twin] =
                    sst_kernels::residual_norm(x, residual, [weight, bias], 0.0, eps).unwrap();
                y * 0.25 + twin * 0.75
            });
            let operators = run(shape, kinds, |[x, residual, weight, bias]| {
                let sum = x.to_kind(Kind::Double) + residual.to_kind(Kind::Double);
                let [weight, bias] = [weight, bias].map(|t| t.to_kind(Kind::Double));
                sum.layer_norm(weight.size(), Some(&weight), Some(&bias), eps, true)
            });
            close(&kernel, &operators, tolerance);
        }
    }
}

/// A pre-norm layer: the sum is a second result, and both results have gradients.
#[test]
fn the_sum_and_its_norm_equal_the_operators() {
    let eps = 1e-5;
    for shape in [&[1, 3][..], &[40, 17], &[3, 50, 256]] {
        for (kinds, result, tolerance) in [
            ([Kind::Float, Kind::Float], Kind::Float, 1e-6),
            ([Kind::BFloat16, Kind::Float], Kind::BFloat16, 5e-3),
            ([Kind::BFloat16, Kind::BFloat16], Kind::BFloat16, 1e-2),
        ] {
            for has_bias in [true, false] {
                let both = |y: &Tensor, sum: &Tensor| {
                    let y = y.to_kind(Kind::Double);
                    &y * &y.roll([1], [-1]) + sum.to_kind(Kind::Double) * 0.7
                };
                let reference = |sum: &Tensor, weight: &Tensor, bias: &Tensor| {
                    let [weight, bias] = [weight, bias].map(|t| t.to_kind(Kind::Double));
                    if has_bias {
                        return sum.layer_norm(
                            weight.size(),
                            Some(&weight),
                            Some(&bias),
                            eps,
                            true,
                        );
                    }
                    let mean = sum.square().mean_dim(-1, true, Kind::Double);
                    // This term gives the bias a gradient of zero instead of none.
                    sum * (mean + eps).rsqrt() * weight + bias * 0.0
                };
                let kernel = run(shape, kinds, |[x, residual, weight, bias]| {
                    let norm = sst_kernels::Norm { weight, bias: has_bias.then_some(bias), eps };
                    let [y, sum] = sst_kernels::add_norm(x, residual, norm, 0.0, result).unwrap();
                    assert!(y.kind() == result && sum.kind() == kinds[1]);
                    both(&y, &sum) + bias * 0.0
                });
                let operators = run(shape, kinds, |[x, residual, weight, bias]| {
                    let sum = x.to_kind(Kind::Double) + residual.to_kind(Kind::Double);
                    both(&reference(&sum, weight, bias), &sum)
                });
                let size = |all: &[Tensor]| if has_bias { all.len() } else { all.len() - 1 };
                let compared = size(&kernel);
                close(&kernel[..compared], &operators[..compared], tolerance);
                // The norm of the residual alone.
                let kernel = run(shape, kinds, |[x, residual, weight, bias]| {
                    let norm = sst_kernels::Norm { weight, bias: has_bias.then_some(bias), eps };
                    sst_kernels::norm(residual, norm, result).unwrap() + (x + bias) * 0.0
                });
                let operators = run(shape, kinds, |[x, residual, weight, bias]| {
                    let sum = residual.to_kind(Kind::Double);
                    reference(&sum, weight, bias) + (x + bias) * 0.0
                });
                for at in [0, 2, 3] {
                    close(&kernel[at..=at], &operators[at..=at], tolerance);
                }
            }
        }
    }
}

/// The forward and the backward pass drop the same numbers.
#[test]
fn dropout_before_a_sum_is_that_of_the_generator() {
    let _turn = crate::generator();
    let (x, residual) = (normal(0, &[300, 64], Kind::Float), normal(1, &[300, 64], Kind::Float));
    let weight = normal(2, &[64], Kind::Float);
    let norm = sst_kernels::Norm { weight: &weight, bias: None, eps: 1e-6 };
    let run = |seed| {
        tch::manual_seed(seed);
        sst_kernels::add_norm(&x, &residual, norm, 0.25, Kind::Float).unwrap()
    };
    let [_, sum] = run(4);
    let kept = (&sum - &residual).abs().gt(1e-6).to_kind(Kind::Double).mean(Kind::Double);
    assert!((kept.double_value(&[]) - 0.75).abs() < 0.015);
    assert!(sum.equal(&run(4)[1]) && !sum.equal(&run(5)[1]));
    sum.sum(Kind::Float).f_backward().unwrap();
    let dropped = (&sum - &residual).abs().le(1e-6);
    let grad = x.grad();
    assert_eq!(grad.masked_select(&dropped).abs().max().double_value(&[]), 0.0);
    let rest = grad.masked_select(&dropped.logical_not());
    assert!((rest - 1.0 / 0.75).abs().max().double_value(&[]) < 1e-5);
}

#[test]
fn what_is_dropped_is_dropped_in_both_passes() {
    let _turn = crate::generator();
    for kind in [Kind::Float, Kind::BFloat16] {
        let x = normal(0, &[500, 96], kind);
        tch::manual_seed(3);
        let y = sst_kernels::fast_dropout(&x, 0.25).unwrap();
        y.sum(Kind::Float).f_backward().unwrap();
        let kept = y.ne(0.0);
        let rate = 1.0 - kept.to_kind(Kind::Double).mean(Kind::Double).double_value(&[]);
        // The 99.99 % interval of 48,000 draws. A value of exactly zero is improbable.
        assert!((rate - 0.25).abs() < 3.9 * (0.25_f64 * 0.75 / 48_000.0).sqrt(), "{rate}");
        let factor = 1.0 / 0.75;
        let grad = x.grad().to_kind(Kind::Float);
        let expected = kept.to_kind(Kind::Float) * factor;
        assert!((grad - expected).abs().max().double_value(&[]) < 5e-3);
        let wanted = x.detach().to_kind(Kind::Float) * kept.to_kind(Kind::Float) * factor;
        let far = (y.detach().to_kind(Kind::Float) - wanted).abs().max().double_value(&[]);
        assert!(far < 2e-2, "{far}");
        // Rows and columns of the mask agree no more often than by chance.
        let kept = kept.to_kind(Kind::Double);
        let both = (kept.narrow(0, 0, 499) * kept.narrow(0, 1, 499)).mean(Kind::Double);
        assert!((both.double_value(&[]) - 0.5625).abs() < 0.02);
    }
}

#[test]
fn dropout_in_the_kernel_is_that_of_the_generator() {
    let _turn = crate::generator();
    let width = 64;
    let zeros = Tensor::zeros([300, width], (Kind::Float, tch::Device::Cpu));
    let one = Tensor::ones([width], (Kind::Float, tch::Device::Cpu));
    let x = normal(0, &[300, width], Kind::Float);
    let norm = |seed: i64| {
        tch::manual_seed(seed);
        let [y, _] =
            sst_kernels::residual_norm(&x, &zeros, [&one, &(&one * 0.0)], 0.5, 1e-6).unwrap();
        y
    };
    tch::manual_seed(9);
    let dropped = sst_kernels::fast_dropout(&x, 0.5).unwrap();
    let expected = dropped.layer_norm([width], None::<&Tensor>, None::<&Tensor>, 1e-6, true);
    assert!((norm(9) - expected).abs().max().double_value(&[]) < 1e-5);
    assert!(norm(9) == norm(9));
    assert!((norm(9) - norm(10)).abs().max().double_value(&[]) > 0.1);
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let _turn = crate::generator();
    let of = |threads: i32| {
        tch::set_num_threads(threads);
        run(&[333, 40], [Kind::Float, Kind::Float], |[x, residual, weight, bias]| {
            tch::manual_seed(1);
            let [y, _] =
                sst_kernels::residual_norm(x, residual, [weight, bias], 0.1, 1e-5).unwrap();
            y
        })
    };
    let before = tch::get_num_threads();
    let (one, four) = (of(1), of(4));
    tch::set_num_threads(before);
    assert!(one.iter().zip(&four).all(|(a, b)| a == b));
}

#[test]
fn what_does_not_fit_is_refused() {
    let x = normal(0, &[4, 8], Kind::Float);
    let [weight, short] = [normal(1, &[8], Kind::Float), normal(2, &[7], Kind::Float)];
    let refused = |x: &Tensor, residual: &Tensor, bias: &Tensor, p: f64| {
        sst_kernels::residual_norm(x, residual, [&weight, bias], p, 1e-5).is_err()
    };
    assert!(!refused(&x, &x, &weight, 0.0));
    assert!(refused(&x, &x.narrow(0, 0, 2), &weight, 0.0));
    assert!(refused(&x, &x, &short, 0.0));
    assert!(refused(&x, &x, &weight, 1.0));
    assert!(refused(&x.to_kind(Kind::Double), &x, &weight, 0.0));
}
