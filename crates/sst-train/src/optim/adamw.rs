//! AdamW, with a fused kernel.

use sst_core::{Error, Result};
use sst_kernels::AdamWTensors;
use tch::{Device, Kind, Tensor};

use super::rule::{RuleEntry, UpdateRule};
use super::{Bf16Weights, OptimizerConfig, ParamGroup, state};

/// The entry of AdamW in the list of optimisers.
pub(super) const ENTRY: RuleEntry = RuleEntry {
    takes_layer_matrices_only: false,
    supports_bf16_remainder: true,
    build: |config, groups| Ok(Box::new(AdamW::new(config, groups)?)),
};

/// AdamW (Loshchilov and Hutter 2019). An update changes nothing of a parameter that has no gradient: neither its
/// weights, nor its moments, nor its step counter.
#[derive(Debug)]
struct AdamW {
    betas: [f64; 2],
    eps: f64,
    slots: Vec<Slot>,
    /// The number of updates of each parameter, fp32 as the kernel requires, of shape `[number of parameters]`. Each
    /// slot holds a view of its element.
    steps: Tensor,
    /// Which parameters had a gradient in the last update: on the host, and as a tensor of 0 and 1 on the device. The
    /// tensor is made again only when the pattern changes.
    active: (Vec<bool>, Tensor),
}

/// A parameter and its state.
#[derive(Debug)]
struct Slot {
    name: String,
    param: Tensor,
    options: GroupOptions,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    step: Tensor,
    /// The bf16 weights, if the model computes with bf16 weights.
    bf16: Option<Bf16Weights>,
}

/// The hyper-parameters of a parameter group. One call of the kernel updates all parameters that share them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct GroupOptions {
    lr_factor: f64,
    weight_decay: f64,
}

impl AdamW {
    /// An optimiser whose moments are zero.
    fn new(config: &OptimizerConfig, groups: Vec<ParamGroup>) -> Result<Self> {
        let count = groups.iter().map(|group| group.params.len()).sum::<usize>();
        let mut params = groups.iter().flat_map(|group| &group.params);
        let device = params.next().map_or(Device::Cpu, |(_, param)| param.device());
        let steps = Tensor::f_zeros([count as i64], (Kind::Float, device))?;
        let mut slots = Vec::with_capacity(count);
        for group in groups {
            let ParamGroup { lr_factor, weight_decay, .. } = group;
            let options = GroupOptions { lr_factor, weight_decay };
            for (name, param) in group.params {
                let (exp_avg, exp_avg_sq) = (moment(&param)?, moment(&param)?);
                let step = steps.f_select(0, slots.len() as i64)?;
                slots.push(Slot { name, param, options, exp_avg, exp_avg_sq, step, bf16: None });
            }
        }
        let active = (vec![true; slots.len()], steps.f_ones_like()?);
        Ok(Self { betas: config.betas, eps: config.eps, slots, steps, active })
    }

    /// Adds 1 to the step counter of each parameter that has a gradient, unless `found_inf` is 1.
    fn count_step(&mut self, grads: &[Option<Tensor>], found_inf: Option<&Tensor>) -> Result<()> {
        let pattern: Vec<bool> = grads.iter().map(Option::is_some).collect();
        if pattern.len() != self.slots.len() {
            return Err(Error::Contract("the gradients come from another optimiser".into()));
        }
        if pattern != self.active.0 {
            let numbers: Vec<f32> = pattern.iter().map(|on| f32::from(u8::from(*on))).collect();
            let mask = Tensor::f_from_slice(&numbers)?.f_to_device(self.steps.device())?;
            self.active = (pattern, mask);
        }
        let _ = match found_inf {
            None => self.steps.f_add_(&self.active.1)?,
            Some(found_inf) => {
                let counted = self.active.1.f_mul(&found_inf.f_rsub_scalar(1.0)?)?;
                self.steps.f_add_(&counted)?
            }
        };
        Ok(())
    }
}

impl UpdateRule for AdamW {
    fn set_bf16_weights(
        &mut self,
        bf16_weights: &dyn Fn(&str) -> Option<Bf16Weights>,
    ) -> Result<()> {
        for slot in &mut self.slots {
            slot.bf16 = bf16_weights(&slot.name);
            // If a parameter is stored as bf16 weights and an int16 remainder, its fp32 tensor has no elements here, so
            // the moments get the shape of the bf16 weights.
            if let Some(Bf16Weights { weights, remainder: Some(_) }) = &slot.bf16 {
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
        self.count_step(grads, found_inf)?;
        let mut all_options: Vec<GroupOptions> = Vec::new();
        for slot in &self.slots {
            if !all_options.contains(&slot.options) {
                all_options.push(slot.options);
            }
        }
        for options in all_options {
            let mut tensors = AdamWTensors::default();
            for (slot, grad) in self.slots.iter().zip(grads) {
                let (true, Some(grad)) = (slot.options == options, grad) else { continue };
                tensors.params.push(&slot.param);
                tensors.grads.push(grad);
                tensors.exp_avgs.push(&slot.exp_avg);
                tensors.exp_avg_sqs.push(&slot.exp_avg_sq);
                tensors.steps.push(&slot.step);
                let bf16 = slot.bf16.as_ref();
                tensors.bf16_params.push(bf16.map(|bf16| &bf16.weights));
                tensors.remainders.push(bf16.and_then(|bf16| bf16.remainder.as_ref()));
            }
            let hyper_parameters = sst_kernels::AdamW {
                lr: lr * options.lr_factor,
                betas: self.betas.into(),
                eps: self.eps,
                weight_decay: options.weight_decay,
            };
            sst_kernels::fused_adamw(&tensors, hyper_parameters, grad_scale, found_inf)?;
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

/// A moment of zero, in the shape of the parameter.
fn moment(param: &Tensor) -> Result<Tensor> {
    Ok(param.f_detach()?.f_zeros_like()?)
}
