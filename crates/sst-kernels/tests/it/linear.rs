//! Linear layers without gradients give the same results as libtorch's.

use sst_kernels::{
    Affine, CpuLevel, FusedActivation, WeightLayout, autocast, checkpoint, fast_linear, fast_mlp,
    has_linear_kernel, has_mlp_kernel, joint, keep_weights,
};
use tch::{Device, Kind, Tensor, no_grad};

use crate::layers::{self, Activation};
use crate::numbers;

pub(crate) fn normal(index: u64, shape: &[i64]) -> Tensor {
    numbers::normal("test.linear", index, shape)
}

/// The relative 2-norm of the difference.
pub(crate) fn distance(found: &Tensor, expected: &Tensor) -> f64 {
    let (found, expected) = (found.to_kind(Kind::Double), expected.to_kind(Kind::Double));
    assert_eq!(found.size(), expected.size());
    (found - &expected).norm().double_value(&[]) / expected.norm().double_value(&[])
}

#[test]
fn both_layouts_of_any_size() {
    with_every_unit(check_layouts);
}

/// Runs with the units of this processor, and with slower ones only.
pub(crate) fn with_every_unit(check: impl Fn()) {
    check();
    #[cfg(target_arch = "x86_64")]
    {
        use sst_kernels::{Unit, forbid_unit};
        for unit in [Unit::Tiles, Unit::Vectors] {
            forbid_unit(Some(unit));
            check();
        }
        forbid_unit(None);
    }
}

fn check_layouts() {
    // Sizes that are and are not multiples of vectors and tiles, more than one chunk, and every number of rows.
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
        // Few rows, and many rows with every remainder of a tile.
        for rows in (1..=16).chain(17..=33).chain([63, 112, 113, 250, 600]) {
            let x = normal(0, &[rows, input]);
            let weight = normal(1, &[output, input]);
            let bias = normal(2, &[output]);
            let double = |x: &Tensor| x.to_kind(Kind::Double);
            let expected = double(&x).linear(&double(&weight), Some(&double(&bias)));
            no_grad(|| {
                let turned = weight.tr().contiguous();
                let both = [
                    (layers::linear(&x, &weight, Some(&bias)), "OutIn"),
                    (layers::conv1d(&x, &turned, &bias), "InOut"),
                    (layers::linear(&x, &weight, None).map(|y| y + &bias), "without a bias"),
                ];
                for (y, name) in both {
                    let found = distance(&y.unwrap(), &expected);
                    assert!(found < 2e-6, "{rows} x {input} x {output}, {name}: {found}");
                }
            });
        }
    }
}

/// A token that is generated in a batch equals one that is generated alone.
#[test]
fn a_row_does_not_depend_on_the_others() {
    let (x, weight) = (normal(0, &[13, 70]), normal(1, &[130, 70]));
    let turned = weight.tr().contiguous();
    no_grad(|| {
        for (weight, layout) in [(&weight, WeightLayout::OutIn), (&turned, WeightLayout::InOut)] {
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
    assert!(fast_linear(&x, &weight, WeightLayout::OutIn, None).is_err());
    let tracked = weight.set_requires_grad(true);
    let y = layers::linear(&x, &tracked, None).unwrap();
    y.sum(Kind::Float).backward();
    assert_eq!(tracked.grad().size(), [4, 8]);
    let weight = tracked.detach();
    no_grad(|| {
        assert!(has(&x, &weight));
        let many = x.repeat([20, 1]);
        for x in [&x, &many] {
            assert!(!has(&x.to_kind(Kind::BFloat16), &weight));
            assert!(!has(x, &weight.to_kind(Kind::BFloat16)));
            assert!(!has(&x.to_kind(Kind::Half), &weight.to_kind(Kind::Half)));
        }
        // libtorch computes few rows in bf16 if it has instructions for them.
        let is_ours = has(&x.to_kind(Kind::BFloat16), &weight.to_kind(Kind::BFloat16));
        assert_eq!(is_ours, !CpuLevel::current().has_fast_bf16());
        assert!(!has(&x.unsqueeze(0), &weight));
        assert!(!has(&x, &weight.tr()), "the weight is not contiguous");
        // Rows that are not contiguous are copied.
        let y = fast_linear(&normal(3, &[8, 2]).tr(), &weight, WeightLayout::OutIn, None).unwrap();
        assert!(distance(&y, &normal(3, &[8, 2]).tr().matmul(&weight.tr())) < 1e-6);
        for (width, bias) in [(9, 4), (8, 5)] {
            let (x, bias) = (normal(4, &[2, width]), normal(5, &[bias]));
            let error = fast_linear(&x, &weight, WeightLayout::OutIn, Some(&bias)).unwrap_err();
            assert!(error.to_string().contains("width"), "{error}");
        }
    });
}

/// The difference of bf16 results from fp64 is the rounding to bf16: at most 2^-9, and less on average.
#[test]
fn bf16_of_any_size() {
    with_every_unit(check_bf16);
}

fn check_bf16() {
    for (input, output) in [(1, 1), (32, 32), (40, 33), (96, 130), (257, 47), (384, 160)] {
        for rows in [32, 33, 47, 64, 250, 513] {
            let [x, weight, bias] =
                [normal(0, &[rows, input]), normal(1, &[output, input]), normal(2, &[output])]
                    .map(|x| x.to_kind(Kind::BFloat16));
            let double = |x: &Tensor| x.to_kind(Kind::Double);
            let expected = double(&x).linear(&double(&weight), Some(&double(&bias)));
            no_grad(|| {
                let turned = weight.tr().contiguous();
                let both = [
                    (layers::linear(&x, &weight, Some(&bias)), WeightLayout::OutIn),
                    (layers::conv1d(&x, &turned, &bias), WeightLayout::InOut),
                ];
                for (y, layout) in both {
                    let y = y.unwrap();
                    assert_eq!(y.kind(), Kind::BFloat16);
                    let found = distance(&y, &expected);
                    assert!(found < 2.5e-3, "{rows} x {input} x {output}, {layout:?}: {found}");
                }
            });
        }
    }
}

/// Compares every number, so that one in the wrong place cannot hide in a norm.
#[test]
fn every_result_has_its_place() {
    with_every_unit(check_places);
}

fn check_places() {
    let [rows, input, output] = [75, 70, 90];
    // The numbers are exact in bf16, and those of a row or a column all differ.
    let numbers = Tensor::arange(output * input, (Kind::Int64, Device::Cpu)).remainder(251);
    for kind in [Kind::Float, Kind::BFloat16] {
        let x = Tensor::eye(rows, (kind, Device::Cpu)).narrow(1, 0, input).contiguous();
        let weight = numbers.reshape([output, input]).to_kind(kind);
        let y = no_grad(|| layers::linear(&x, &weight, None).unwrap());
        assert_eq!(y.narrow(0, 0, input), weight.tr(), "{kind:?}");
        assert_eq!(y.narrow(0, input, rows - input).abs().max().double_value(&[]), 0.0);
    }
}

#[test]
fn a_matrix_may_begin_anywhere() {
    with_every_unit(check_beginnings);
}

/// The left factor is read in place; its address here is not a multiple of 64 bytes.
fn check_beginnings() {
    let [rows, input, output] = [70, 64, 40];
    for kind in [Kind::Float, Kind::BFloat16] {
        let all = normal(0, &[1 + rows * input]).to_kind(kind);
        let (x, weight) =
            (all.narrow(0, 1, rows * input), normal(1, &[output, input]).to_kind(kind));
        let x = x.view([rows, input]);
        let [found, expected] =
            [&x, &x.copy()].map(|x| no_grad(|| layers::linear(x, &weight, None).unwrap()));
        assert_eq!(found, expected, "{kind:?}");
    }
}

/// The precision of fp32 for numbers of very different magnitudes: the error is that of libtorch, within a factor.
#[test]
fn fp32_keeps_its_precision() {
    let [rows, input, output] = [200, 1536, 96];
    let spread = |index, shape: &[i64]| {
        let sizes = normal(index + 10, shape) * 4.0;
        normal(index, shape) * sizes.exp()
    };
    let (x, weight) = (spread(0, &[rows, input]), spread(1, &[output, input]));
    let expected = x.to_kind(Kind::Double).matmul(&weight.to_kind(Kind::Double).tr());
    no_grad(|| {
        let found = distance(&layers::linear(&x, &weight, None).unwrap(), &expected);
        let theirs = distance(&x.matmul(&weight.tr()), &expected);
        assert!(found < 4.0 * theirs, "{found}, and libtorch's {theirs}");
    });
}

#[test]
fn autocast_makes_bf16_of_what_is_fp32() {
    with_every_unit(check_autocast);
}

fn check_autocast() {
    let (x, weight, bias) = (normal(0, &[40, 64]), normal(1, &[96, 64]), normal(2, &[96]));
    let expected = x.linear(&weight, Some(&bias));
    no_grad(|| {
        let _cast = autocast(Device::Cpu, Some(Kind::BFloat16)).unwrap();
        for x in [&x, &x.to_kind(Kind::BFloat16)] {
            let y = layers::linear(x, &weight, Some(&bias)).unwrap();
            assert_eq!(y.kind(), Kind::BFloat16);
            assert!(distance(&y, &expected) < 5e-3);
        }
    });
}

#[test]
fn weights_are_kept_while_a_guard_lives() {
    let x = normal(0, &[40, 64]);
    let mut parts = [1, 2, 3].map(|i| normal(i, &[32, 64]));
    no_grad(|| {
        let all = |parts: &[Tensor; 3]| {
            let weight = joint([&parts[0], &parts[1], &parts[2]]).unwrap();
            layers::linear(&x, &weight, None).unwrap()
        };
        let before = all(&parts);
        let (outer, inner) = (keep_weights(), keep_weights());
        assert_eq!(all(&parts), before);
        assert_eq!(all(&parts), before);
        drop(inner);
        // A new tensor at the address of a freed one must not get its cached weight.
        for i in 4..40 {
            let weight = normal(i, &[32, 64]);
            let expected = x.matmul(&weight.tr());
            assert!(distance(&layers::linear(&x, &weight, None).unwrap(), &expected) < 2e-6);
        }
        drop(outer);
        let _ = parts[1].fill_(0.0);
        let after = all(&parts);
        assert_eq!(after.narrow(1, 0, 32), before.narrow(1, 0, 32));
        assert_eq!(after.narrow(1, 32, 32).abs().max().double_value(&[]), 0.0);
    });
}

/// Two layers and GELU in one kernel, or the substitute on a processor without a unit for it.
#[test]
fn mlp_of_any_size() {
    with_every_unit(check_mlp);
}

fn check_mlp() {
    for (input, inner, output) in
        [(1, 1, 1), (32, 64, 32), (40, 70, 33), (96, 257, 130), (70, 800, 40)]
    {
        for rows in [3, 32, 47, 250, 513] {
            let x = normal(0, &[rows, input]) * 2.0;
            let (up, down) = (normal(1, &[inner, input]), normal(2, &[output, inner]));
            let biases = [normal(3, &[inner]), normal(4, &[output])];
            for kind in [Kind::Float, Kind::BFloat16] {
                let cast = |x: &Tensor| x.to_kind(kind);
                let (x, up, down) = (cast(&x), cast(&up), cast(&down));
                let double = |x: &Tensor| x.to_kind(Kind::Double);
                for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
                    let between = double(&x).linear(&double(&up), Some(&double(&biases[0])));
                    let between = activation.apply(&between);
                    let expected = between.linear(&double(&down), Some(&double(&biases[1])));
                    let biases = biases.each_ref().map(cast);
                    for layout in [WeightLayout::OutIn, WeightLayout::InOut] {
                        let lie = |weight: &Tensor| match layout {
                            WeightLayout::OutIn => weight.shallow_clone(),
                            WeightLayout::InOut => weight.tr().contiguous(),
                        };
                        let (up, down) = (lie(&up), lie(&down));
                        let layers = [
                            Affine { weight: &up, bias: Some(&biases[0]) },
                            Affine { weight: &down, bias: Some(&biases[1]) },
                        ];
                        let y = no_grad(|| layers::mlp(&x, layers, layout, activation).unwrap());
                        assert_eq!(y.kind(), kind);
                        let found = distance(&y, &expected);
                        let limit = if kind == Kind::Float { 2e-6 } else { 1e-2 };
                        let place = format!("{rows} x {input} x {inner} x {output}, {kind:?}");
                        assert!(found < limit, "{place}, {activation:?}, {layout:?}: {found}");
                    }
                }
            }
        }
    }
}

/// The activation alone, with weights of one.
#[test]
fn curves_are_those_of_libtorch() {
    with_every_unit(check_curves);
}

fn check_curves() {
    let x = Tensor::linspace(-12.0, 12.0, 40 * 601, (Kind::Float, Device::Cpu)).reshape([-1, 40]);
    // Half the distance of two bf16 numbers, relative.
    for (kind, rounding) in [(Kind::Float, 0.0), (Kind::BFloat16, 2_f64.powi(-8))] {
        let (x, one) = (x.to_kind(kind), Tensor::eye(40, (kind, Device::Cpu)));
        let layer = Affine { weight: &one, bias: None };
        no_grad(|| {
            if !has_mlp_kernel(&x, &one, &one).unwrap() {
                let refused =
                    fast_mlp(&x, [layer, layer], WeightLayout::OutIn, FusedActivation::Gelu);
                assert!(refused.unwrap_err().to_string().contains("has a kernel"));
                return;
            }
            for (curve, name) in
                [(FusedActivation::Gelu, "none"), (FusedActivation::GeluTanh, "tanh")]
            {
                let y = fast_mlp(&x, [layer, layer], WeightLayout::OutIn, curve).unwrap();
                let expected = x.to_kind(Kind::Double).gelu(name);
                let rest = (y.to_kind(Kind::Double) - &expected).abs() - expected.abs() * rounding;
                let found = rest.max().double_value(&[]);
                assert!(found < 1e-6, "{curve:?}: {found}");
            }
        });
    }
}

/// The forward pass of a checkpointed layer records no graph, but must give the same bits as the second one.
#[test]
fn a_checkpointed_layer_is_computed_as_one_with_gradients() {
    for rows in [8, 40, 200] {
        let x = normal(0, &[rows, 600]);
        let weight = normal(1, &[96, 600]).set_requires_grad(true);
        let plain = layers::linear(&x, &weight, None).unwrap();
        let checkpointed = checkpoint(&x, move |x| layers::linear(x, &weight, None)).unwrap();
        assert_eq!(checkpointed, plain, "{rows} rows");
    }
}
