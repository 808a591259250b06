//! `encode_at` gives the hidden states and the gradients that `encode` gives at these positions.

use sst_core::{Forward, RaggedRows, Tokens};
use tch::{Device, Kind, Tensor};

use crate::case::small;

const LENGTHS: [usize; 4] = [17, 40, 1, 5];

/// The hidden states at `positions` of the ragged tokens, and the gradients of a sum over them, with `encode_at`
/// or from all hidden states.
fn run(
    positions: &[i64],
    at: bool,
    padded: bool,
    checkpointed: bool,
    low: Option<Kind>,
) -> Vec<Tensor> {
    let mut model = small(0.0);
    if checkpointed {
        assert_eq!(model.checkpoint_layers(&|_| true).unwrap(), 3);
    }
    let rows = RaggedRows::new(&LENGTHS, Device::Cpu);
    let ids: Vec<i64> = (0..63).map(|i| i * 13 % 50).collect();
    let flat = Tensor::from_slice(&ids);
    let grid = rows.pad(&flat.unsqueeze(1)).unwrap().squeeze_dim(2);
    let input = Tokens {
        input_ids: if padded { &grid } else { &flat },
        rows: (!padded).then_some(&rows),
        attention_mask: padded.then(|| rows.mask().unwrap()),
        token_type_ids: None,
    };
    let mut positions = Tensor::from_slice(positions);
    if padded {
        let places = Tensor::arange(160, (Kind::Int64, Device::Cpu));
        let places = rows.unpad(&places.reshape([4, 40, 1])).unwrap().flatten(0, -1);
        positions = places.index_select(0, &positions);
    }
    let autocast = low.map(|kind| sst_kernels::autocast(Device::Cpu, Some(kind)).unwrap());
    let encoder = model.text_encoder().unwrap();
    let hidden = match at {
        true => encoder.encode_at(input.into(), &positions, Forward::TRAIN).unwrap(),
        false => encoder.encode(input.into(), Forward::TRAIN).unwrap().at(&positions).unwrap(),
    };
    drop(autocast);
    let weight = Tensor::arange(hidden.numel() as i64, (Kind::Float, Device::Cpu)).sin();
    let hidden = hidden.to_kind(Kind::Float);
    (&hidden * weight.reshape(hidden.size())).sum(Kind::Float).f_backward().unwrap();
    let mut all = vec![hidden.detach()];
    for (name, parameter) in model.params().trainable() {
        if !name.starts_with("cls.") {
            assert!(parameter.grad().defined(), "{name} has no gradient");
            all.push(parameter.grad());
        }
    }
    all
}

fn assert_close(found: &[Tensor], expected: &[Tensor], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let difference = (found - expected).norm().double_value(&[]);
        // The gradient of the key bias is zero, except for rounding.
        let size = expected.norm().double_value(&[]).max(0.1);
        assert!(difference <= tolerance * size, "{i}: {difference} of {size}");
    }
}

#[test]
fn some_positions_get_what_all_give_them() {
    let _turn = crate::generator();
    // The second row has no position, and one position occurs twice.
    let positions = [0, 3, 16, 57, 58, 58, 62];
    // fp16 has no kernel, so all hidden states are computed.
    for (checkpointed, low, tolerance) in [
        (false, None, 1e-5),
        (true, None, 1e-5),
        (false, Some(Kind::BFloat16), 3e-2),
        (true, Some(Kind::Half), 1e-2),
    ] {
        let expected = run(&positions, false, true, false, None);
        let found = run(&positions, true, false, checkpointed, low);
        assert_close(&found, &expected, tolerance);
    }
    // For padded rows, and for positions out of order, all hidden states are computed.
    let expected = run(&positions, false, true, false, None);
    assert_close(&run(&positions, true, true, false, None), &expected, 1e-6);
    let swapped = [16, 3, 0];
    let expected = run(&swapped, false, true, false, None);
    assert_close(&run(&swapped, true, false, false, None), &expected, 1e-5);
}

#[test]
fn no_position_is_no_hidden_state() {
    let model = small(0.0);
    let rows = RaggedRows::new(&[3, 2], Device::Cpu);
    let ids = Tensor::from_slice(&[1_i64, 2, 3, 4, 5]);
    let input = Tokens::ragged(&ids, &rows);
    let none = Tensor::zeros([0], (Kind::Int64, Device::Cpu));
    let hidden =
        model.text_encoder().unwrap().encode_at(input.into(), &none, Forward::EVAL).unwrap();
    assert_eq!(hidden.size(), [0, 32]);
}

#[test]
fn what_is_left_out_does_not_count_as_work() {
    let (width, inner, vocab, length) = (32.0, 64.0, 50.0, 16.0);
    let layer = 4.0 * width * width + 2.0 * width * inner;
    let head = width * width + width * vocab;
    let all = 6.0 * (3.0 * layer + head) + 12.0 * 3.0 * width * length;
    let found = |scored| small(0.0).flops_per_token(16, scored).unwrap();
    assert!((found(1.0) - all).abs() < 1e-6 * all);
    // Without any position, the last layer computes keys and values only.
    let none = 6.0 * (2.0 * layer + 2.0 * width * width) + 12.0 * 2.0 * width * length;
    assert!((found(0.0) - none).abs() < 1e-6 * none);
}
