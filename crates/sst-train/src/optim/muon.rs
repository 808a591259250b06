//! Muon: an optimiser for matrices, whose updates are the orthogonalised momentum.

use std::collections::BTreeMap;

use sst_core::{Error, Result};
use tch::{Kind, Tensor};

use super::rule::{RuleEntry, UpdateRule};
use super::{Bf16Weights, OptimizerConfig, ParamGroup, state};

/// The entry of Muon in the list of optimisers.
pub(super) const ENTRY: RuleEntry = RuleEntry {
    takes_layer_matrices_only: true,
    supports_bf16_remainder: false,
    build: |config, groups| Ok(Box::new(Muon::new(config, groups)?)),
};

/// The coefficients a, b and c of the Newton-Schulz iteration `a x + b x^3 + c x^5` on singular values (Jordan et al.
/// 2024, "Muon: An optimizer for hidden layers in neural networks"). They make small singular values grow fastest.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// The least norm that a matrix is divided by before the iteration.
const EPS: f64 = 1e-7;

/// Muon (Jordan et al. 2024) with Nesterov momentum. The updates are scaled to the size of AdamW's updates, so that
/// both optimisers can use the same learning rate (Liu et al. 2025, "Muon is Scalable for LLM Training", equation 4).
/// An update changes nothing of a matrix that has no gradient.
#[derive(Debug)]
struct Muon {
    momentum: f64,
    iterations: u32,
    slots: Vec<Slot>,
}

/// A matrix and its state.
#[derive(Debug)]
struct Slot {
    name: String,
    param: Tensor,
    lr_factor: f64,
    weight_decay: f64,
    momentum: Tensor,
    /// The bf16 weights, if the model computes with bf16 weights.
    bf16: Option<Tensor>,
}

impl Muon {
    /// An optimiser whose momentum is zero.
    fn new(config: &OptimizerConfig, groups: Vec<ParamGroup>) -> Result<Self> {
        let mut slots = Vec::new();
        for group in groups {
            for (name, param) in group.params {
                if param.dim() != 2 {
                    return Err(Error::Contract(format!(
                        "Muon updates matrices only, and `{name}` has shape {:?}",
                        param.size()
                    )));
                }
                let momentum = param.f_detach()?.f_zeros_like()?;
                let (lr_factor, weight_decay) = (group.lr_factor, group.weight_decay);
                slots.push(Slot { name, param, lr_factor, weight_decay, momentum, bf16: None });
            }
        }
        Ok(Self { momentum: config.momentum, iterations: config.iterations, slots })
    }

    /// The work of [`UpdateRule::update`], to be called while gradients are off.
    fn step(
        &mut self,
        lr: f64,
        grads: &[Option<Tensor>],
        grad_scale: Option<&Tensor>,
        found_inf: Option<&Tensor>,
    ) -> Result<()> {
        // Matrices of equal shape are stacked, so that the iteration runs once for all of them.
        let mut by_shape: BTreeMap<[i64; 2], Vec<(usize, Tensor)>> = BTreeMap::new();
        for (i, grad) in grads.iter().enumerate() {
            let Some(grad) = grad else { continue };
            let direction = self.direction(i, grad, grad_scale, found_inf)?;
            let (rows, columns) = direction.size2()?;
            // The iteration multiplies a matrix by its transpose. The product is smallest if rows are not more than
            // columns.
            let wide = if rows > columns { direction.f_transpose(0, 1)? } else { direction };
            by_shape.entry([rows.min(columns), rows.max(columns)]).or_default().push((i, wide));
        }
        for ([_, columns], directions) in by_shape {
            let matrices: Vec<&Tensor> =
                directions.iter().map(|(_, direction)| direction).collect();
            let orthogonal = orthogonalized(&Tensor::f_stack(&matrices, 0)?, self.iterations)?;
            for (position, (i, _)) in directions.iter().enumerate() {
                let slot = &mut self.slots[*i];
                let mut update = orthogonal.f_get(position as i64)?;
                if slot.param.size()[0] > slot.param.size()[1] {
                    update = update.f_transpose(0, 1)?;
                }
                let rate = lr * slot.lr_factor;
                let mut step = update.f_mul_scalar(-rate * 0.2 * (columns as f64).sqrt())?;
                if slot.weight_decay > 0.0 {
                    step = step.f_sub(&slot.param.f_mul_scalar(rate * slot.weight_decay)?)?;
                }
                if let Some(found_inf) = found_inf {
                    step = step.f_mul(&found_inf.f_rsub_scalar(1.0)?)?;
                }
                let _ = slot.param.f_add_(&step)?;
                if let Some(bf16) = &mut slot.bf16 {
                    bf16.f_copy_(&slot.param)?;
                }
            }
        }
        Ok(())
    }

    /// Updates the momentum of slot `i` with its gradient. Returns the direction of its update, with Nesterov momentum.
    fn direction(
        &mut self,
        i: usize,
        grad: &Tensor,
        grad_scale: Option<&Tensor>,
        found_inf: Option<&Tensor>,
    ) -> Result<Tensor> {
        let beta = self.momentum;
        let momentum = &mut self.slots[i].momentum;
        let mut grad = grad.f_to_kind(momentum.f_kind()?)?;
        if let Some(scale) = grad_scale {
            grad = grad.f_div(scale)?;
        }
        if let Some(found_inf) = found_inf {
            // A gradient that is not finite must not change the momentum. It is replaced by the momentum, whose average
            // with itself is itself.
            grad = momentum.f_where_self(&found_inf.f_gt(0.0)?, &grad)?;
        }
        let _ = momentum.f_lerp_(&grad, 1.0 - beta)?;
        Ok(grad.f_lerp(momentum, beta)?)
    }
}

impl UpdateRule for Muon {
    fn set_bf16_weights(
        &mut self,
        bf16_weights: &dyn Fn(&str) -> Option<Bf16Weights>,
    ) -> Result<()> {
        for slot in &mut self.slots {
            slot.bf16 = bf16_weights(&slot.name).map(|bf16| bf16.weights);
        }
        Ok(())
    }

    fn params(&self) -> Vec<&Tensor> {
        self.slots.iter().map(|slot| &slot.param).collect()
    }

    fn moments(&self) -> Vec<&Tensor> {
        self.slots.iter().map(|slot| &slot.momentum).collect()
    }

    fn update(
        &mut self,
        lr: f64,
        grads: &[Option<Tensor>],
        grad_scale: Option<&Tensor>,
        found_inf: Option<&Tensor>,
    ) -> Result<()> {
        tch::no_grad(|| self.step(lr, grads, grad_scale, found_inf))
    }

    fn tensors(&self) -> Vec<(String, &Tensor)> {
        let key = |slot: &Slot| state::key("momentum", &slot.name);
        self.slots.iter().map(|slot| (key(slot), &slot.momentum)).collect()
    }
}

/// The orthogonalised matrices of `matrices` `[n, r, c]` with `r <= c`, in the same shape: the nearest matrices whose
/// singular values are all about 1. The Newton-Schulz iteration runs in bf16.
fn orthogonalized(matrices: &Tensor, iterations: u32) -> Result<Tensor> {
    let [a, b, c] = COEFFICIENTS;
    let kind = matrices.f_kind()?;
    let mut x = matrices.f_to_kind(Kind::BFloat16)?;
    let norm = x.f_norm_scalaropt_dim(2.0, [1, 2], true)?.f_clamp_min(EPS)?;
    x = x.f_div(&norm)?;
    for _ in 0..iterations {
        let gram = x.f_bmm(&x.f_transpose(1, 2)?)?;
        let factor = gram.f_baddbmm(&gram, &gram, b, c)?;
        x = x.f_baddbmm(&factor, &x, a, 1.0)?;
    }
    Ok(x.f_to_kind(kind)?)
}
