//! Activation checkpointing gives the same gradients bit for bit.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sst_core::{Error, Forward, RaggedRows, Result, Tokens};
use tch::{Device, Kind, Tensor};

use crate::case::small;

/// The loss and all gradients, with checkpointing of the layers that `select` returns true for.
fn gradients(select: &dyn Fn(usize) -> bool, ragged: bool, bf16: bool) -> (usize, Vec<Tensor>) {
    let mut model = small(0.1);
    let picked = model.checkpoint_layers(select).unwrap();
    let lengths = [17, 40, 5];
    let rows = RaggedRows::new(&lengths, Device::Cpu);
    let ids: Vec<i64> = (0..62).map(|i| i * 13 % 50).collect();
    let flat = Tensor::from_slice(&ids);
    let padded = rows.pad(&flat.unsqueeze(1)).unwrap().squeeze_dim(2);
    let input = Tokens {
        input_ids: if ragged { &flat } else { &padded },
        rows: ragged.then_some(&rows),
        attention_mask: (!ragged).then(|| rows.mask().unwrap()),
        token_type_ids: None,
    };
    tch::manual_seed(7);
    let autocast = bf16.then(|| sst_kernels::autocast(Device::Cpu, Some(Kind::BFloat16)).unwrap());
    let hidden =
        model.text_encoder().unwrap().encode(input.into(), Forward::TRAIN).unwrap().hidden_bld;
    drop(autocast);
    let hidden = if ragged { hidden } else { rows.unpad(&hidden).unwrap() };
    let loss = hidden.to_kind(Kind::Float).pow_tensor_scalar(3).sum(Kind::Float);
    loss.f_backward().unwrap();
    let mut all = vec![loss.detach()];
    // Random numbers after the step are the same as without checkpointing.
    all.push(Tensor::rand([4], (Kind::Float, Device::Cpu)));
    for (name, parameter) in model.params().trainable() {
        if !name.starts_with("cls.") {
            assert!(parameter.grad().defined(), "{name} has no gradient");
            all.push(parameter.grad());
        }
    }
    (picked, all)
}

#[test]
fn gradients_are_bit_identical_dropout_included() {
    let _turn = crate::generator();
    for (ragged, bf16) in [(false, false), (true, false), (false, true), (true, true)] {
        let (none, plain) = gradients(&|_| false, ragged, bf16);
        let (all, every) = gradients(&|_| true, ragged, bf16);
        let (one, some) = gradients(&|layer| layer == 1, ragged, bf16);
        assert_eq!((none, all, one), (0, 3, 1));
        for (i, plain) in plain.iter().enumerate() {
            assert!(plain.equal(&every[i]), "{i}: all layers, ragged {ragged}, bf16 {bf16}");
            assert!(plain.equal(&some[i]), "{i}: one layer, ragged {ragged}, bf16 {bf16}");
        }
    }
}

#[test]
fn frozen_inputs_do_not_cut_the_layers_off() {
    let _turn = crate::generator();
    let weight = Tensor::ones([3, 3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
    let input = Tensor::ones([2, 3], (Kind::Float, Device::Cpu));
    let held = weight.shallow_clone();
    let output = sst_kernels::checkpoint(&input, move |x| x.f_matmul(&held)).unwrap();
    output.sum(Kind::Float).f_backward().unwrap();
    assert!(weight.grad().equal(&Tensor::full([3, 3], 2.0, (Kind::Float, Device::Cpu))));
}

#[test]
fn a_failure_in_either_pass_is_an_error() {
    let _turn = crate::generator();
    let run = |fails_at: usize| {
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        let input = Tensor::ones([2], (Kind::Float, Device::Cpu)).set_requires_grad(true);
        let output = sst_kernels::checkpoint(&input, move |x| -> Result<Tensor> {
            let call = counted.fetch_add(1, Ordering::SeqCst) + 1;
            match call {
                call if call == fails_at => Err(Error::Contract("no memory left".into())),
                4 => panic!("not reached"),
                _ => Ok(x.f_mul_scalar(2.0)?),
            }
        });
        let result = match output {
            Err(error) => Err(error.to_string()),
            Ok(output) => output.sum(Kind::Float).f_backward().map_err(|e| e.to_string()),
        };
        (calls.load(Ordering::SeqCst), result)
    };
    assert_eq!(run(0), (2, Ok(())));
    let (calls, first) = run(1);
    assert!(calls == 1 && first.unwrap_err().contains("no memory left"));
    let (calls, second) = run(2);
    assert!(calls == 2 && second.unwrap_err().contains("no memory left"));
    let input = Tensor::ones([2], (Kind::Float, Device::Cpu));
    let panics = sst_kernels::checkpoint(&input, |_| -> Result<Tensor> { panic!("on purpose") });
    assert!(panics.unwrap_err().to_string().contains("panicked"));
}
