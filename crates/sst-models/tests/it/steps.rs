//! Gradients, and ten steps of AdamW with warm-up and clipping, against those of a golden.

use std::collections::BTreeMap;

use sst_core::Model;
use sst_kernels::{AdamW, AdamWTensors};
use tch::{Kind, Tensor};

use crate::case::{Case, close};

/// Checks that every gradient equals `grad.NAME`. Gradients of parameters whose names end with `zero` are sums that
/// cancel out, so that only rounding is left.
pub(crate) fn check_gradients(case: &Case, model: &dyn Model, zero: &str) {
    check_gradients_but(case, model, &|name| name.ends_with(zero));
}

/// The same, with `is_zero` instead of a suffix.
pub(crate) fn check_gradients_but(case: &Case, model: &dyn Model, is_zero: &dyn Fn(&str) -> bool) {
    let names = case.names("grad.");
    assert_eq!(names.len(), model.params().trainable().count(), "a gradient for every parameter");
    for name in names {
        let got = model.params().get(&name).unwrap().grad();
        let want = case.get(&format!("grad.{name}"));
        if is_zero(&name) {
            assert!(got.abs().max().double_value(&[]) < 1e-6, "{name}");
        } else {
            close(&name, &got, &want, 1e-5);
        }
    }
}

/// Ten steps on the batches of the golden under `step.N.`. `loss_of` computes the loss of a batch.
pub(crate) fn check(
    case: &Case,
    model: &dyn Model,
    zero: &str,
    loss_of: &dyn Fn(&dyn Model, &str) -> Tensor,
) {
    check_but(case, model, &|name| name.ends_with(zero), loss_of);
}

/// The same, with `is_zero` instead of a suffix.
pub(crate) fn check_but(
    case: &Case,
    model: &dyn Model,
    is_zero: &dyn Fn(&str) -> bool,
    loss_of: &dyn Fn(&dyn Model, &str) -> Tensor,
) {
    let rates = Vec::<f64>::try_from(case.get("steps.lr")).unwrap();
    let losses = Vec::<f64>::try_from(case.get("steps.loss").to_kind(Kind::Double)).unwrap();
    let norms = Vec::<f64>::try_from(case.get("steps.grad_norm").to_kind(Kind::Double)).unwrap();
    let zeros = || -> BTreeMap<&str, Tensor> {
        model.params().iter().map(|(name, p)| (name, p.zeros_like().detach())).collect()
    };
    let (exp_avgs, exp_avg_sqs) = (zeros(), zeros());
    let loss_of = |step: usize| loss_of(model, &format!("step.{step}."));
    let check = |step: usize, loss: &Tensor| {
        let (got, want) = (loss.double_value(&[]), losses[step]);
        assert!((got - want).abs() <= 1e-5 * want.abs(), "loss {step}: {got} {want}");
    };
    for (step, rate) in rates.iter().enumerate() {
        sst_kernels::reset_gradients(model.params().iter().map(|(_, p)| p)).unwrap();
        let loss = loss_of(step);
        check(step, &loss);
        loss.f_backward().unwrap();
        let with_grad: Vec<(&str, &Tensor, Tensor)> = (model.params().iter())
            .map(|(name, p)| (name, p, p.grad()))
            .filter(|(_, _, grad)| grad.defined())
            .collect();
        let norm = sst_kernels::global_norm(with_grad.iter().map(|(_, _, grad)| grad)).unwrap();
        let got = norm.double_value(&[]);
        assert!((got - norms[step]).abs() <= 1e-5 * norms[step], "norm {step}: {got}");
        // AdamW would make steps of the learning rate out of rounding noise, in any direction: it is left out.
        let is_noise =
            |name: &str, grad: &Tensor| is_zero(name) && grad.abs().max().double_value(&[]) < 1e-6;
        let scale = ((norm + 1e-6) / 0.5).clamp_min(1.0);
        let count = Tensor::from(step as f32 + 1.0);
        for decays in [true, false] {
            let mut group = AdamWTensors::default();
            let updated = with_grad.iter().filter(|(name, param, grad)| {
                (param.dim() >= 2) == decays && !is_noise(name, grad)
            });
            for (name, param, grad) in updated {
                group.params.push(*param);
                group.grads.push(grad);
                group.exp_avgs.push(&exp_avgs[name]);
                group.exp_avg_sqs.push(&exp_avg_sqs[name]);
                group.steps.push(&count);
            }
            let weight_decay = if decays { 0.01 } else { 0.0 };
            let options = AdamW { lr: *rate, betas: (0.9, 0.98), eps: 1e-6, weight_decay };
            sst_kernels::fused_adamw(&group, options, Some(&scale), None).unwrap();
        }
    }
    check(rates.len(), &loss_of(0));
    assert_eq!(case.names("final.").len(), model.params().trainable().count());
    for (name, param) in model.params().trainable() {
        let want = case.get(&format!("final.{name}"));
        if is_zero(name) {
            assert!((param - want).abs().max().double_value(&[]) < 1e-4, "{name}");
        } else {
            close(name, param, &want, 1e-5);
        }
    }
}
