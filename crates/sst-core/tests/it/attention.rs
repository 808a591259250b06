//! All implementations of attention give the same results.

use sst_core::RaggedRows;
use sst_core::nn::{Attention, Rows};
use sst_data::SeqRng;
use tch::{Device, Kind, Tensor};

/// Normal random numbers that other tests cannot change, as all threads share libtorch's generator.
fn normal(index: u64, shape: &[i64]) -> Tensor {
    let mut rng = SeqRng::new(5, "test.attention", 0, index);
    let count = shape.iter().product();
    let values: Vec<f32> = (0_i64..count).map(|_| rng.normal() as f32).collect();
    Tensor::from_slice(&values).reshape(shape)
}

fn close(found: &[Tensor], expected: &[Tensor], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).norm().double_value(&[]);
        let size = expected.norm().double_value(&[]);
        assert!(difference <= tolerance * size.max(1.0), "{i}: {difference} of {size}");
    }
}

/// The context of `attention` on ragged rows of width 24, and the gradients of a weighted sum of it.
fn ragged(attention: Attention, lengths: &[usize], want_probabilities: bool) -> Vec<Tensor> {
    let rows = RaggedRows::new(lengths, Device::Cpu);
    let inputs = [0, 1, 2].map(|i| normal(i, &[rows.num_tokens(), 24]).set_requires_grad(true));
    let weight = normal(3, &[rows.num_tokens(), 24]);
    let [q, k, v] = &inputs;
    let rows = Rows::Ragged(&rows);
    let output = attention.forward([q, k, v], rows, true, want_probabilities).unwrap();
    (&output.context * weight).sum(Kind::Float).f_backward().unwrap();
    let mut all = vec![output.context];
    all.extend(inputs.iter().map(Tensor::grad));
    all
}

#[test]
fn the_ragged_kernel_equals_padded_products() {
    for num_heads in [1, 2, 3, 8] {
        let attention = Attention::bidirectional(num_heads, 0.0);
        for lengths in [&[1][..], &[5], &[16, 3, 1], &[0, 7, 48, 49], &[130, 17, 96, 33]] {
            let kernel = ragged(attention, lengths, false);
            close(&kernel, &ragged(attention, lengths, true), 2e-6);
        }
    }
}

#[test]
fn the_fused_kernel_equals_padded_products() {
    let attention = Attention::bidirectional(2, 0.0);
    let attend = |want_probabilities| {
        let inputs = [0, 1, 2].map(|i| normal(i, &[3, 200, 8]).set_requires_grad(true));
        let rows = RaggedRows::new(&[200, 100, 1], Device::Cpu);
        let mask = rows.mask().unwrap().unsqueeze(1).unsqueeze(1);
        let [q, k, v] = &inputs;
        let rows = Rows::Padded { mask: Some(&mask) };
        let output = attention.forward([q, k, v], rows, true, want_probabilities).unwrap();
        (&output.context * normal(3, &[3, 200, 8])).sum(Kind::Float).f_backward().unwrap();
        let mut all = vec![output.context];
        all.extend(inputs.iter().map(Tensor::grad));
        all
    };
    close(&attend(false), &attend(true), 1e-6);
}

#[test]
fn probabilities_are_returned_only_when_wanted() {
    let x = normal(4, &[2, 5, 8]);
    let attention = Attention::bidirectional(2, 0.0);
    let rows = Rows::Padded { mask: None };
    let without = attention.forward([&x, &x, &x], rows, false, false).unwrap();
    assert!(without.probabilities.is_none());
    let with = attention.forward([&x, &x, &x], rows, false, true).unwrap();
    assert_eq!(with.probabilities.unwrap().size(), [2, 2, 5, 5]);
    close(&[with.context], &[without.context], 1e-6);
}
