//! Muon: momentum whose updates are made orthogonal.

use std::collections::BTreeMap;

use sst_core::{Error, Result};
use tch::{Kind, Tensor};

use super::rule::{RuleEntry, UpdateRule};
use super::{Bf16Weights, OptimizerConfig, ParamGroup, state};

/// The word of registration.
pub(super) const ENTRY: RuleEntry = RuleEntry {
    takes_layer_matrices_only: true,
    updates_halves: false,
    build: |config, groups| Ok(Box::new(Muon::new(config, groups)?)),
};

/// The polynomial of the iteration (Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural
/// networks"): its coefficients make small singular values grow fastest.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// Added to the norm that a matrix is divided by before the iteration.
const EPS: f64 = 1e-7;

/// Muon (Jordan et al. 2024) with Nesterov momentum. Updates are scaled to the size of AdamW's, so that
/// both take one learning rate (Liu et al. 2025, "Muon is Scalable for LLM Training", equation 4). A matrix
/// without a gradient is left as it is.
#[derive(Debug)]
struct Muon {
    momentum: f64,
    iterations: u32,
    slots: Vec<Slot>,
}

#[derive(Debug)]
struct Slot {
    name: String,
    param: Tensor,
    lr_factor: f64,
    weight_decay: f64,
    momentum: Tensor,
    /// The matrix in bf16, where it is kept.
    copy: Option<Tensor>,
}

impl Muon {
    /// Momenta at zero.
    fn new(config: &OptimizerConfig, groups: Vec<ParamGroup>) -> Result<Self> {
        let mut slots = Vec::new();
        for group in groups {
            for (name, param) in group.params {
                if param.dim() != 2 {
                    let message =
                        format!("Muon takes matrices, and `{name}` is {:?}", param.size());
                    return Err(Error::Contract(message));
                }
                let momentum = param.f_detach()?.f_zeros_like()?;
                let (lr_factor, weight_decay) = (group.lr_factor, group.weight_decay);
                slots.push(Slot { name, param, lr_factor, weight_decay, momentum, copy: None });
            }
        }
        Ok(Self { momentum: config.momentum, iterations: config.iterations, slots })
    }

    /// [`UpdateRule::update`] without a graph.
    fn step(
        &mut self,
        lr: f64,
        grads: &[Option<Tensor>],
        grad_scale: Option<&Tensor>,
        found_inf: Option<&Tensor>,
    ) -> Result<()> {
        // Matrices of one shape go through the iteration together.
        let mut shapes: BTreeMap<[i64; 2], Vec<(usize, Tensor)>> = BTreeMap::new();
        for (i, grad) in grads.iter().enumerate() {
            let Some(grad) = grad else { continue };
            let direction = self.direction(i, grad, grad_scale, found_inf)?;
            let (rows, columns) = direction.size2()?;
            // The iteration squares the shorter side.
            let wide = if rows > columns { direction.f_transpose(0, 1)? } else { direction };
            shapes.entry([rows.min(columns), rows.max(columns)]).or_default().push((i, wide));
        }
        for ([_, columns], directions) in shapes {
            let stacked: Vec<&Tensor> = directions.iter().map(|(_, direction)| direction).collect();
            let orthogonal = orthogonalized(&Tensor::f_stack(&stacked, 0)?, self.iterations)?;
            for (place, (i, _)) in directions.iter().enumerate() {
                let slot = &mut self.slots[*i];
                let mut update = orthogonal.f_get(place as i64)?;
                if slot.param.size()[0] > slot.param.size()[1] {
                    update = update.f_transpose(0, 1)?;
                }
                let rate = lr * slot.lr_factor;
                let mut step = update.f_mul_scalar(-rate * 0.2 * (columns as f64).sqrt())?;
                if slot.weight_decay > 0.0 {
                    step = step.f_sub(&slot.param.f_mul_scalar(rate * slot.weight_decay)?)?;
                }
                if let Some(found) = found_inf {
                    step = step.f_mul(&found.f_rsub_scalar(1.0)?)?;
                }
                let _ = slot.param.f_add_(&step)?;
                if let Some(copy) = &mut slot.copy {
                    copy.f_copy_(&slot.param)?;
                }
            }
        }
        Ok(())
    }

    /// Moves the momentum of slot `i` and returns the direction of its update.
    fn direction(
        &mut self,
        i: usize,
        grad: &Tensor,
        grad_scale: Option<&Tensor>,
        found_inf: Option<&Tensor>,
    ) -> Result<Tensor> {
        let beta = self.momentum;
        let momentum = &mut self.slots[i].momentum;
        let grad = grad.f_to_kind(momentum.f_kind()?)?;
        let mut grad = match grad_scale {
            Some(scale) => grad.f_div(scale)?,
            None => grad,
        };
        if let Some(found) = found_inf {
            // A gradient that is not finite must not reach the momentum: that one stays, as the mean of
            // itself with itself.
            grad = momentum.f_where_self(&found.f_gt(0.0)?, &grad)?;
        }
        let _ = momentum.f_lerp_(&grad, 1.0 - beta)?;
        Ok(grad.f_lerp(momentum, beta)?)
    }
}

impl UpdateRule for Muon {
    fn keep_low(&mut self, low: &dyn Fn(&str) -> Option<Bf16Weights>) -> Result<()> {
        for slot in &mut self.slots {
            slot.copy = low(&slot.name).map(|low| low.weights);
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
        let momentum = |slot: &Slot| state::key("momentum", &slot.name);
        self.slots.iter().map(|slot| (momentum(slot), &slot.momentum)).collect()
    }
}

/// The nearest matrices with all singular values about 1 to `[n, r, c]` of `r <= c`, by Newton and
/// Schulz's iteration in bf16.
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
