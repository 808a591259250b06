//! AdamW on libtorch's fused kernel, with named state.

use std::collections::{BTreeMap, BTreeSet};

use sst_core::ext::{self, AdamWTensors};
use sst_core::{Error, Result};
use tch::{Kind, Tensor};

use super::{OptimizerConfig, ParamGroup};

/// AdamW (Loshchilov and Hutter 2019). A parameter without a gradient is left as it is: not decayed, its
/// moments and its step counter unchanged.
#[derive(Debug)]
pub struct AdamW {
    config: OptimizerConfig,
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
    weight_decay: f64,
    exp_avg: Tensor,
    exp_avg_sq: Tensor,
    step: Tensor,
}

/// The gradients of one step, by parameter.
#[derive(Debug)]
pub struct Gradients(Vec<Option<Tensor>>);

impl Gradients {
    /// Those that are there.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor> {
        self.0.iter().flatten()
    }

    /// The 2-norm over all of them, a scalar on the device; `None` if no parameter has one.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn norm(&self) -> Result<Option<Tensor>> {
        if self.iter().next().is_none() {
            Ok(None)
        } else {
            ext::global_norm(self.iter()).map(Some)
        }
    }
}

impl AdamW {
    /// An optimiser whose moments are zero.
    ///
    /// # Errors
    /// If there are no parameters, two have one name, or libtorch fails.
    pub fn new(config: OptimizerConfig, groups: Vec<ParamGroup>) -> Result<Self> {
        let mut names = BTreeSet::new();
        let all = groups.into_iter().flat_map(|group| {
            let decay = group.weight_decay;
            group.params.into_iter().map(move |(name, param)| (name, param, decay))
        });
        let all: Vec<_> = all.collect();
        let Some((_, first, _)) = all.first() else {
            return Err(Error::Contract("there are no trainable parameters to optimise".into()));
        };
        let options = (Kind::Float, first.device());
        let steps = Tensor::f_zeros([all.len() as i64], options)?;
        let mut slots = Vec::with_capacity(all.len());
        for (i, (name, param, weight_decay)) in all.into_iter().enumerate() {
            if !names.insert(name.clone()) {
                return Err(Error::DuplicateParameter(name));
            }
            let (exp_avg, exp_avg_sq) = (moment(&param)?, moment(&param)?);
            let step = steps.f_select(0, i as i64)?;
            slots.push(Slot { name, param, weight_decay, exp_avg, exp_avg_sq, step });
        }
        let active = (vec![true; slots.len()], steps.f_ones_like()?);
        Ok(Self { config, slots, steps, active })
    }

    /// The gradients as they are now.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn gradients(&self) -> Result<Gradients> {
        let grads = self.slots.iter().map(|slot| {
            let grad = slot.param.f_grad()?;
            Ok(grad.defined().then_some(grad))
        });
        Ok(Gradients(grads.collect::<Result<_>>()?))
    }

    /// Sets the gradients to none, for the next step.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn reset_gradients(&self) -> Result<()> {
        ext::reset_gradients(self.slots.iter().map(|slot| &slot.param))
    }

    /// One update at rate `lr`. Gradients are divided by `grad_scale` first. Where `found_inf`, an fp32
    /// scalar on the device, is 1, nothing changes, without the host having to look.
    ///
    /// # Errors
    /// If `grads` is not of this optimiser, or libtorch fails.
    pub fn update(
        &mut self,
        lr: f64,
        grads: &Gradients,
        grad_scale: Option<&Tensor>,
        found_inf: Option<&Tensor>,
    ) -> Result<()> {
        self.advance(grads, found_inf)?;
        // Groups differ in nothing but their decay.
        let mut decays: Vec<f64> = self.slots.iter().map(|slot| slot.weight_decay).collect();
        decays.sort_by(f64::total_cmp);
        decays.dedup();
        for weight_decay in decays {
            let mut tensors = AdamWTensors::default();
            for (slot, grad) in self.slots.iter().zip(&grads.0) {
                let (true, Some(grad)) = (slot.weight_decay == weight_decay, grad) else {
                    continue;
                };
                tensors.params.push(&slot.param);
                tensors.grads.push(grad);
                tensors.exp_avgs.push(&slot.exp_avg);
                tensors.exp_avg_sqs.push(&slot.exp_avg_sq);
                tensors.steps.push(&slot.step);
            }
            let OptimizerConfig { betas: [beta1, beta2], eps, .. } = self.config;
            let options = ext::AdamW { lr, betas: (beta1, beta2), eps, weight_decay };
            ext::fused_adamw(&tensors, options, grad_scale, found_inf)?;
        }
        Ok(())
    }

    /// Counts the update for the parameters that have a gradient, unless `found_inf`.
    fn advance(&mut self, grads: &Gradients, found_inf: Option<&Tensor>) -> Result<()> {
        let pattern: Vec<bool> = grads.0.iter().map(Option::is_some).collect();
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

    /// The state as named tensors: `exp_avg.NAME`, `exp_avg_sq.NAME` and `step.NAME` for each parameter.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        let mut state = BTreeMap::new();
        for slot in &self.slots {
            for (kind, tensor) in slot.tensors() {
                state.insert(format!("{kind}.{}", slot.name), tensor.shallow_clone());
            }
        }
        state
    }

    /// Takes back what [`AdamW::state`] gave.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape; nothing is changed then.
    pub fn load_state(&mut self, mut state: BTreeMap<String, Tensor>) -> Result<()> {
        let mut plan = Vec::new();
        for slot in &self.slots {
            for (kind, target) in slot.tensors() {
                let name = format!("{kind}.{}", slot.name);
                let Some(value) = state.remove(&name) else {
                    return Err(Error::Contract(format!("the optimiser's state lacks `{name}`")));
                };
                if value.size() != target.size() {
                    return Err(Error::Contract(format!(
                        "`{name}` of the optimiser's state has shape {:?}, and the parameter {:?}",
                        value.size(),
                        target.size()
                    )));
                }
                plan.push((target.shallow_clone(), value));
            }
        }
        if let Some(name) = state.keys().next() {
            let message = format!("no trainable parameter takes `{name}` of the optimiser's state");
            return Err(Error::Contract(message));
        }
        for (mut target, value) in plan {
            target.f_copy_(&value)?;
        }
        Ok(())
    }
}

impl Slot {
    fn tensors(&self) -> [(&'static str, &Tensor); 3] {
        [("exp_avg", &self.exp_avg), ("exp_avg_sq", &self.exp_avg_sq), ("step", &self.step)]
    }
}

fn moment(param: &Tensor) -> Result<Tensor> {
    Ok(param.f_detach()?.f_zeros_like()?)
}
