//! The two ways to attend give the same.

use sst_core::nn::Attention;
use sst_data::SeqRng;
use tch::{Device, Kind, Tensor};

/// Normal draws that no other test can disturb, as libtorch's own generator is one for all threads.
fn normal(index: u64, shape: &[i64]) -> Tensor {
    let mut rng = SeqRng::new(5, "test.attention", 0, index);
    let count = shape.iter().product();
    let values: Vec<f32> = (0_i64..count).map(|_| rng.normal() as f32).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// Gradients of a weighted sum of the context, and the context itself.
fn attend(length: i64, want_probabilities: bool) -> Vec<Tensor> {
    let inputs = [0, 1, 2].map(|i| normal(i, &[3, length, 8]).set_requires_grad(true));
    let weight = normal(3, &[3, length, 8]);
    let lengths = Tensor::from_slice(&[length, length / 2, 1]).unsqueeze(1);
    let mask = Tensor::arange(length, (Kind::Int64, Device::Cpu)).unsqueeze(0).lt_tensor(&lengths);
    let mask = mask.unsqueeze(1).unsqueeze(1);
    let attention = Attention { num_heads: 2, dropout: 0.0 };
    let [q, k, v] = &inputs;
    let output = attention.forward([q, k, v], Some(&mask), true, want_probabilities).unwrap();
    (&output.context_bld * weight).sum(Kind::Float).f_backward().unwrap();
    let mut all = vec![output.context_bld];
    all.extend(inputs.iter().map(Tensor::grad));
    all
}

#[test]
fn the_fused_kernel_equals_batched_products() {
    // Long enough for the fused kernel to be chosen where no probabilities are wanted.
    for (fused, products) in attend(200, false).iter().zip(attend(200, true)) {
        let difference = (fused - &products).norm().double_value(&[]);
        let size = products.norm().double_value(&[]);
        assert!(difference <= 1e-6 * size.max(1.0), "{difference} of {size}");
    }
}

#[test]
fn probabilities_are_returned_only_when_wanted() {
    let x = normal(4, &[2, 5, 8]);
    let attention = Attention { num_heads: 2, dropout: 0.0 };
    let without = attention.forward([&x, &x, &x], None, false, false).unwrap();
    assert!(without.probabilities.is_none());
    let with = attention.forward([&x, &x, &x], None, false, true).unwrap();
    assert_eq!(with.probabilities.unwrap().size(), [2, 2, 5, 5]);
    assert!(with.context_bld.equal(&without.context_bld));
}
