//! Matrix products with weights give the results of fp64, with a kernel or with libtorch. sst-kernels tests its
//! kernels itself.

use sst_core::nn::{self, Activation};
use sst_data::SeqRng;
use sst_kernels::{Affine, WeightLayout};
use tch::{Kind, Tensor};

fn normal(index: u64, shape: &[i64]) -> Tensor {
    let mut rng = SeqRng::new(5, "test.product", 0, index);
    let values: Vec<f32> = (0_i64..shape.iter().product()).map(|_| rng.normal() as f32).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// The result of `run` for leaves of this type, and the gradients of a weighted sum of it, in fp64.
fn gradients(leaves: &[Tensor], kind: Kind, run: impl Fn(&[Tensor]) -> Tensor) -> Vec<Tensor> {
    let leaf = |x: &Tensor| x.to_kind(kind).detach().copy().set_requires_grad(true);
    let leaves: Vec<Tensor> = leaves.iter().map(leaf).collect();
    let y = run(&leaves);
    (&y * normal(9, &y.size()).to_kind(kind)).sum(kind).backward();
    let all = std::iter::once(y.detach()).chain(leaves.iter().map(Tensor::grad));
    all.map(|x| x.to_kind(Kind::Double)).collect()
}

fn check(found: &[Tensor], expected: &[Tensor], case: &str) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.size(), expected.size(), "{case}: tensor {i}");
        let off = (found - expected).norm().double_value(&[]);
        let size = expected.norm().double_value(&[]);
        assert!(off <= 5e-6 * size, "{case}: tensor {i} is off by {off} of {size}");
    }
}

/// Two activations that kernels can apply, and two that they cannot.
const ACTIVATIONS: [Activation; 4] =
    [Activation::Gelu, Activation::GeluNew, Activation::Relu, Activation::Silu];

#[test]
fn one_layer_with_and_without_an_activation() {
    for rows in [3, 75] {
        let leaves = [normal(0, &[rows, 40]), normal(1, &[96, 40]), normal(2, &[96])];
        let plain = |t: &[Tensor]| t[0].linear(&t[1], Some(&t[2]));
        let expected = gradients(&leaves, Kind::Double, plain);
        let run = |t: &[Tensor]| nn::linear(&t[0], &t[1], Some(&t[2])).unwrap();
        check(&gradients(&leaves, Kind::Float, run), &expected, "linear");
        let run = |t: &[Tensor]| nn::conv1d(&t[0], &t[1].tr(), &t[2]).unwrap();
        check(&gradients(&leaves, Kind::Float, run), &expected, "conv1d");
        for activation in ACTIVATIONS {
            let apply = |t: &[Tensor]| activation.apply(&plain(t)).unwrap();
            let expected = gradients(&leaves, Kind::Double, apply);
            let run = |t: &[Tensor]| {
                let layer = Affine { weight: &t[1], bias: Some(&t[2]) };
                nn::activated_linear(&t[0], layer, activation).unwrap()
            };
            let found = gradients(&leaves, Kind::Float, run);
            check(&found, &expected, &format!("{activation:?} of {rows} rows"));
        }
    }
}

#[test]
fn two_layers_and_their_activation() {
    for rows in [3, 75] {
        let leaves = [
            normal(0, &[rows, 40]),
            normal(1, &[96, 40]) / 6.0,
            normal(2, &[96]),
            normal(3, &[33, 96]) / 10.0,
            normal(4, &[33]),
        ];
        for activation in ACTIVATIONS {
            let expected = gradients(&leaves, Kind::Double, |t| {
                let between = activation.apply(&t[0].linear(&t[1], Some(&t[2]))).unwrap();
                between.linear(&t[3], Some(&t[4]))
            });
            for layout in [WeightLayout::OutIn, WeightLayout::InOut] {
                let run = |t: &[Tensor]| {
                    let lie = |weight: &Tensor| match layout {
                        WeightLayout::OutIn => weight.shallow_clone(),
                        WeightLayout::InOut => weight.tr().contiguous(),
                    };
                    let (up, down) = (lie(&t[1]), lie(&t[3]));
                    let layers = [
                        Affine { weight: &up, bias: Some(&t[2]) },
                        Affine { weight: &down, bias: Some(&t[4]) },
                    ];
                    nn::mlp(&t[0], layers, layout, activation).unwrap()
                };
                let found = gradients(&leaves, Kind::Float, run);
                check(&found, &expected, &format!("{activation:?}, {layout:?}, {rows} rows"));
            }
        }
    }
}
