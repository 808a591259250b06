//! AdamW on a fused kernel.

use sst_core::{Error, Result};
use sst_kernels::AdamWTensors;
use tch::{Device, Kind, Tensor};

use super::rule::{RuleEntry, UpdateRule};
use super::{Bf16Weights, OptimizerConfig, ParamGroup, state};

/// The word of registration.
pub(super) const ENTRY: RuleEntry = RuleEntry {
    takes_layer_matrices_only: false,
    updates_halves: true,
    build: |config, groups| Ok(Box::new(AdamW::new(config, groups)?)),
};

/// AdamW (Loshchilov and Hutter 2019). A parameter without a gradient is left as it is: not decayed, its
/// moments and its step counter unchanged.
#[derive(Debug)]
struct AdamW {
    betas: [f64; 2],
    eps: f64,
    slots: Vec<Slot>,
    /// Updates done, one number a parameter, fp32 as the kernel wants; each slot holds a view.
    steps: Tensor,
    /// Which parameters had a gradient in the last update, on the host and as 0 and 1 on the device, so
    /// that a pattern which stays is sent to the device once.
    active: (Vec<bool>, Tensor),
}

#[derive(Debug)]
struct Slot {
    name: String,
    param: Tensor,
    alike: Alike,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    step: Tensor,
    /// The parameter in bf16, where it is kept.
    low: Option<Bf16Weights>,
}

/// What the parameters of one call of the kernel share.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Alike {
    lr_factor: f64,
    weight_decay: f64,
}

impl AdamW {
    /// Moments at zero.
    fn new(config: &OptimizerConfig, groups: Vec<ParamGroup>) -> Result<Self> {
        let count = groups.iter().map(|group| group.params.len()).sum::<usize>();
        let mut params = groups.iter().flat_map(|group| &group.params);
        let device = params.next().map_or(Device::Cpu, |(_, param)| param.device());
        let steps = Tensor::f_zeros([count as i64], (Kind::Float, device))?;
        let mut slots = Vec::with_capacity(count);
        for group in groups {
            let alike = Alike { lr_factor: group.lr_factor, weight_decay: group.weight_decay };
            for (name, param) in group.params {
                let (exp_avg, exp_avg_sq) = (moment(&param)?, moment(&param)?);
                let step = steps.f_select(0, slots.len() as i64)?;
                slots.push(Slot { name, param, alike, exp_avg, exp_avg_sq, step, low: None });
            }
        }
        let active = (vec![true; slots.len()], steps.f_ones_like()?);
        Ok(Self { betas: config.betas, eps: config.eps, slots, steps, active })
    }

    /// Counts the update for the parameters that have a gradient, unless `found_inf`.
    fn advance(&mut self, grads: &[Option<Tensor>], found_inf: Option<&Tensor>) -> Result<()> {
        let pattern: Vec<bool> = grads.iter().map(Option::is_some).collect();
        if pattern.len() != self.slots.len() {
            return Err(Error::Contract("the gradients are of another optimiser".into()));
        }
        if pattern != self.active.0 {
            let numbers: Vec<f32> = pattern.iter().map(|on| f32::from(u8::from(*on))).collect();
            let mask = Tensor::f_from_slice(&numbers)?.f_to_device(self.steps.device())?;
            self.active = (pattern, mask);
        }
        let _ = match found_inf {
            None => self.steps.f_add_(&self.active.1)?,
            Some(found) => {
                let counted = self.active.1.f_mul(&found.f_rsub_scalar(1.0)?)?;
                self.steps.f_add_(&counted)?
            }
        };
        Ok(())
    }
}

impl UpdateRule for AdamW {
    fn keep_low(&mut self, low: &dyn Fn(&str) -> Option<Bf16Weights>) -> Result<()> {
        for slot in &mut self.slots {
            slot.low = low(&slot.name);
            // If a parameter is stored as bf16 weights and an int16 remainder, its fp32 tensor has no storage here, so the
            // moments get the shape of the bf16 weights.
            if let Some(Bf16Weights { weights, rest: Some(_) }) = &slot.low {
                for moment in [&mut slot.exp_avg, &mut slot.exp_avg_sq] {
                    *moment = Tensor::f_zeros(weights.size(), (Kind::Float, weights.device()))?;
                }
            }
        }
        Ok(())
    }

    fn params(&self) -> Vec<&Tensor> {
        self.slots.iter().map(|slot| &slot.param).collect()
    }

    fn moments(&self) -> Vec<&Tensor> {
        self.slots.iter().map(|slot| &slot.exp_avg).collect()
    }

    fn update(
        &mut self,
        lr: f64,
        grads: &[Option<Tensor>],
        grad_scale: Option<&Tensor>,
        found_inf: Option<&Tensor>,
    ) -> Result<()> {
        self.advance(grads, found_inf)?;
        let mut kinds: Vec<Alike> = Vec::new();
        for slot in &self.slots {
            if !kinds.contains(&slot.alike) {
                kinds.push(slot.alike);
            }
        }
        for alike in kinds {
            let mut tensors = AdamWTensors::default();
            for (slot, grad) in self.slots.iter().zip(grads) {
                let (true, Some(grad)) = (slot.alike == alike, grad) else { continue };
                tensors.params.push(&slot.param);
                tensors.grads.push(grad);
                tensors.exp_avgs.push(&slot.exp_avg);
                tensors.exp_avg_sqs.push(&slot.exp_avg_sq);
                tensors.steps.push(&slot.step);
                let low = slot.low.as_ref();
                tensors.bf16_params.push(low.map(|low| &low.weights));
                tensors.remainders.push(low.and_then(|low| low.rest.as_ref()));
            }
            let ([beta1, beta2], eps) = (self.betas, self.eps);
            let (lr, weight_decay) = (lr * alike.lr_factor, alike.weight_decay);
            let options = sst_kernels::AdamW { lr, betas: (beta1, beta2), eps, weight_decay };
            sst_kernels::fused_adamw(&tensors, options, grad_scale, found_inf)?;
        }
        Ok(())
    }

    fn tensors(&self) -> Vec<(String, &Tensor)> {
        let tensors = self.slots.iter().flat_map(|slot| {
            let tensors = [
                ("exp_avg", &slot.exp_avg),
                ("exp_avg_sq", &slot.exp_avg_sq),
                ("step", &slot.step),
            ];
            tensors.map(|(kind, tensor)| (state::key(kind, &slot.name), tensor))
        });
        tensors.collect()
    }
}

fn moment(param: &Tensor) -> Result<Tensor> {
    Ok(param.f_detach()?.f_zeros_like()?)
}
