//! Linear layers with gradients, compared with fp64.

use sst_kernels::{Affine, WeightLayout, autocast, has_linear_kernel};
use tch::{Device, Kind, Tensor, no_grad};

use crate::layers::{self, Activation};
use crate::linear::{distance, normal, with_every_unit};

/// The inputs of a layer and a gradient of its result, in fp64, with numbers that are exact in bf16.
fn case(rows: i64, widths: &[i64]) -> Vec<Tensor> {
    let first = [normal(0, &[rows, widths[0]])];
    let layers = widths.windows(2).enumerate().flat_map(|(i, pair)| {
        let at = 2 * i as u64 + 1;
        let scale = (pair[0] as f64).sqrt();
        [normal(at, &[pair[1], pair[0]]) / scale, normal(at + 1, &[pair[1]])]
    });
    let last = [normal(9, &[rows, widths[widths.len() - 1]])];
    let all = first.into_iter().chain(layers).chain(last);
    all.map(|x| x.to_kind(Kind::BFloat16).to_kind(Kind::Double)).collect()
}

/// The result of `run` and the gradients of its arguments, except the last, in the types of `kinds`.
fn gradients(tensors: &[Tensor], kinds: &[Kind], run: impl Fn(&[Tensor]) -> Tensor) -> Vec<Tensor> {
    let (last, first) = tensors.split_last().unwrap();
    let leaves: Vec<Tensor> = first
        .iter()
        .zip(kinds)
        .map(|(x, kind)| x.to_kind(*kind).detach().copy().set_requires_grad(true))
        .collect();
    let y = run(&leaves);
    (&y * last.to_kind(y.kind())).sum(Kind::Float).backward();
    let grads = leaves.iter().map(|leaf| {
        assert_eq!(leaf.grad().kind(), leaf.kind());
        leaf.grad()
    });
    std::iter::once(y.detach()).chain(grads).collect()
}

fn check(found: &[Tensor], expected: &[Tensor], limit: f64, case: &str) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let found = distance(found, expected);
        assert!(found < limit, "{case}: tensor {i} is off by {found}");
    }
}

const SIZES: [(i64, i64); 7] =
    [(1, 1), (32, 32), (40, 33), (96, 130), (257, 47), (384, 160), (64, 1030)];

#[test]
fn one_layer_of_any_size() {
    with_every_unit(|| {
        for (input, output) in SIZES {
            // More rows than are packed at once.
            for rows in [32, 33, 75, 512, 2049, 4500] {
                if rows > 600 && input * output > 10_000 {
                    continue;
                }
                for layout in [WeightLayout::OutIn, WeightLayout::InOut] {
                    one_layer(rows, input, output, layout);
                }
            }
        }
    });
}

fn one_layer(rows: i64, input: i64, output: i64, layout: WeightLayout) {
    let mut tensors = case(rows, &[input, output]);
    if layout == WeightLayout::InOut {
        tensors[1] = tensors[1].tr().contiguous();
    }
    let run = |t: &[Tensor]| match layout {
        WeightLayout::OutIn => layers::linear(&t[0], &t[1], Some(&t[2])).unwrap(),
        WeightLayout::InOut => layers::conv1d(&t[0], &t[1], &t[2]).unwrap(),
    };
    let expected = gradients(&tensors, &[Kind::Double; 3], |t| match layout {
        WeightLayout::OutIn => t[0].linear(&t[1], Some(&t[2])),
        WeightLayout::InOut => t[0].matmul(&t[1]) + &t[2],
    });
    let name = format!("{rows} x {input} x {output}, {layout:?}");
    for (kind, limit) in [(Kind::BFloat16, 3e-3), (Kind::Float, 2e-6)] {
        check(&gradients(&tensors, &[kind; 3], run), &expected, limit, &name);
    }
    // Gradients of fp32 weights are in fp32; the kernel does not round them.
    let _cast = autocast(Device::Cpu, Some(Kind::BFloat16)).unwrap();
    let found = gradients(&tensors, &[Kind::BFloat16, Kind::Float, Kind::Float], run);
    check(&found, &expected, 3e-3, &name);
    let [x, weight] = [&tensors[0], &tensors[1]].map(|x| x.to_kind(Kind::BFloat16));
    if has_linear_kernel(&x, &weight).unwrap() {
        check(&found[2..], &expected[2..], 2e-6, &name);
    }
}

#[test]
fn an_activation_after_a_layer() {
    with_every_unit(|| {
        for (rows, input, output) in [(33, 40, 33), (75, 96, 130), (512, 32, 64), (7, 32, 32)] {
            for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
                let tensors = case(rows, &[input, output]);
                let expected = gradients(&tensors, &[Kind::Double; 3], |t| {
                    activation.apply(&t[0].linear(&t[1], Some(&t[2])))
                });
                for (kind, limit) in [(Kind::BFloat16, 6e-3), (Kind::Float, 5e-6)] {
                    let found = gradients(&tensors, &[kind; 3], |t| {
                        let layer = Affine { weight: &t[1], bias: Some(&t[2]) };
                        layers::activated_linear(&t[0], layer, activation).unwrap()
                    });
                    let name = format!("{rows} x {input} x {output}, {activation:?}, {kind:?}");
                    check(&found, &expected, limit, &name);
                }
            }
        }
    });
}

#[test]
fn two_layers_of_any_size() {
    with_every_unit(|| {
        for (input, inner, output) in
            [(1, 40, 33), (32, 64, 32), (40, 70, 33), (96, 257, 130), (70, 800, 40)]
        {
            for rows in [31, 32, 47, 250, 2100] {
                for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Relu] {
                    for layout in [WeightLayout::OutIn, WeightLayout::InOut] {
                        two_layers(rows, [input, inner, output], activation, layout);
                    }
                }
            }
        }
    });
}

fn two_layers(rows: i64, widths: [i64; 3], activation: Activation, layout: WeightLayout) {
    let mut tensors = case(rows, &widths);
    let expected = gradients(&tensors, &[Kind::Double; 5], |t| {
        activation.apply(&t[0].linear(&t[1], Some(&t[2]))).linear(&t[3], Some(&t[4]))
    });
    if layout == WeightLayout::InOut {
        tensors[1] = tensors[1].tr().contiguous();
        tensors[3] = tensors[3].tr().contiguous();
    }
    for (kind, limit) in [(Kind::BFloat16, 1e-2), (Kind::Float, 1e-5)] {
        let mut found = gradients(&tensors, &[kind; 5], |t| {
            let layers = [
                Affine { weight: &t[1], bias: Some(&t[2]) },
                Affine { weight: &t[3], bias: Some(&t[4]) },
            ];
            layers::mlp(&t[0], layers, layout, activation).unwrap()
        });
        if layout == WeightLayout::InOut {
            for weight in [2, 4] {
                found[weight] = found[weight].tr();
            }
        }
        let name = format!("{rows} x {widths:?}, {kind:?}, {activation:?}, {layout:?}");
        check(&found, &expected, limit, &name);
    }
}

/// Compares every number of the gradients, so that one in the wrong place cannot hide in a norm.
#[test]
fn every_gradient_has_its_place() {
    with_every_unit(|| {
        for kind in [Kind::Float, Kind::BFloat16] {
            check_places(kind);
        }
    });
}

fn check_places(kind: Kind) {
    let [rows, input, output] = [75, 70, 90];
    let make = |shape: [i64; 2]| {
        let numbers = Tensor::arange(shape[0] * shape[1], (Kind::Int64, Device::Cpu));
        numbers.remainder(251).reshape(shape).to_kind(kind)
    };
    let x = Tensor::eye(rows, (kind, Device::Cpu)).narrow(1, 0, input).contiguous();
    let weight = make([output, input]).set_requires_grad(true);
    let y_grad = make([rows, output]);
    let y = layers::linear(&x, &weight, None).unwrap();
    (y * &y_grad).sum(Kind::Float).backward();
    assert_eq!(weight.grad(), y_grad.narrow(0, 0, input).tr());
    // Each row of a unit matrix picks a column of the weight.
    let unit = Tensor::eye(output, (kind, Device::Cpu)).narrow(0, 0, rows).contiguous();
    let x = x.set_requires_grad(true);
    (layers::linear(&x, &weight, None).unwrap() * unit).sum(Kind::Float).backward();
    assert_eq!(x.grad(), weight.detach().narrow(0, 0, rows));
}

/// A frozen layer passes gradients to its input and gets none.
#[test]
fn only_what_asks_for_a_gradient_gets_one() {
    let make = |index, shape: &[i64]| normal(index, shape).to_kind(Kind::BFloat16);
    for (asks_x, asks_weight, asks_bias) in
        [(true, false, false), (false, true, false), (false, false, true)]
    {
        let x = make(0, &[40, 64]).set_requires_grad(asks_x);
        let [up, down] = [make(1, &[96, 64]), make(2, &[32, 96])]
            .map(|weight| weight.set_requires_grad(asks_weight));
        let biases = [make(3, &[96]), make(4, &[32])].map(|bias| bias.set_requires_grad(asks_bias));
        let layers = [
            Affine { weight: &up, bias: Some(&biases[0]) },
            Affine { weight: &down, bias: Some(&biases[1]) },
        ];
        let y = layers::mlp(&x, layers, WeightLayout::OutIn, Activation::Gelu).unwrap();
        let z = layers::linear(&x, &up, Some(&biases[0])).unwrap();
        (y.sum(Kind::Float) + z.sum(Kind::Float)).backward();
        assert_eq!(x.grad().defined(), asks_x);
        for weight in [&up, &down] {
            assert_eq!(weight.grad().defined(), asks_weight);
        }
        for bias in &biases {
            assert_eq!(bias.grad().defined(), asks_bias);
        }
    }
}

/// The kernel refuses second-order gradients; libtorch computes them.
#[test]
fn a_second_gradient_is_an_error() {
    let x = normal(0, &[40, 64]).set_requires_grad(true);
    let weight = normal(1, &[32, 64]).set_requires_grad(true);
    let y = layers::linear(&x, &weight, None).unwrap().square().sum(Kind::Float);
    let grads = Tensor::f_run_backward(&[y], &[&x], true, true);
    match has_linear_kernel(&x, &weight).unwrap() {
        true => assert!(grads.unwrap_err().to_string().contains("differentiated again")),
        false => assert_eq!(grads.unwrap()[0].size(), [40, 64]),
    }
}

/// The result does not depend on the number of threads.
#[test]
fn gradients_do_not_depend_on_the_threads() {
    let tensors = case(700, &[96, 160, 64]);
    let run = || {
        gradients(&tensors, &[Kind::BFloat16; 5], |t| {
            let layers = [
                Affine { weight: &t[1], bias: Some(&t[2]) },
                Affine { weight: &t[3], bias: Some(&t[4]) },
            ];
            layers::mlp(&t[0], layers, WeightLayout::OutIn, Activation::Gelu).unwrap()
        })
    };
    let before = tch::get_num_threads();
    let two = run();
    tch::set_num_threads(1);
    let one = run();
    tch::set_num_threads(before);
    let is_kernel = no_grad(|| has_linear_kernel(&two[0], &two[0]).unwrap());
    if is_kernel {
        assert_eq!(one, two);
    } else {
        check(&one, &two, 1e-3, "libtorch's own");
    }
}
