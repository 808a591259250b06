//! The optimiser of a run: each parameter under the rule of its group.

use std::collections::{BTreeMap, BTreeSet};

use sst_core::{Error, Result};
use tch::Tensor;

use super::adamw::AdamW;
use super::muon::Muon;
use super::{OptimizerConfig, OptimizerName, ParamGroup, state};

/// AdamW for most parameters, Muon for those whose group says so.
#[derive(Debug)]
pub struct Optimizer {
    adamw: AdamW,
    muon: Muon,
}

/// A parameter in bf16, beside that in fp32 or instead of it.
#[derive(Debug)]
pub struct LowWeights {
    /// Its numbers, rounded.
    pub weights: Tensor,
    /// What these lack, where there is no other parameter in fp32 ([`sst_kernels::split_halves`]). For AdamW on the CPU.
    pub rest: Option<Tensor>,
}

/// The gradients of one step, by parameter.
#[derive(Debug)]
pub struct Gradients {
    adamw: Vec<Option<Tensor>>,
    muon: Vec<Option<Tensor>>,
}

impl Gradients {
    /// Those that are there.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor> {
        self.adamw.iter().chain(&self.muon).flatten()
    }

    /// The 2-norm over all of them, a scalar on the device; `None` if no parameter has one.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn norm(&self) -> Result<Option<Tensor>> {
        if self.iter().next().is_none() {
            Ok(None)
        } else {
            Ok(Some(sst_kernels::global_norm(self.iter())?))
        }
    }
}

impl Optimizer {
    /// An optimiser whose moments and momenta are zero.
    ///
    /// # Errors
    /// If there are no parameters, two have one name, Muon is to take what is no matrix, or libtorch fails.
    pub fn new(config: OptimizerConfig, groups: Vec<ParamGroup>) -> Result<Self> {
        let mut names = BTreeSet::new();
        for (name, _) in groups.iter().flat_map(|group| &group.params) {
            if !names.insert(name) {
                return Err(Error::DuplicateParameter(name.clone()));
            }
        }
        if names.is_empty() {
            return Err(Error::Contract("there are no trainable parameters to optimise".into()));
        }
        let of_muon = |group: &ParamGroup| group.rule == OptimizerName::Muon;
        let (muon, adamw) = groups.into_iter().partition(of_muon);
        Ok(Self { adamw: AdamW::new(&config, adamw)?, muon: Muon::new(&config, muon)? })
    }

    /// Has every update written in bf16 as well: to what `low` gives for the names of parameters. For a new optimiser.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn keep_low(&mut self, low: impl Fn(&str) -> Option<LowWeights>) -> Result<()> {
        self.muon.keep_low(&low);
        self.adamw.keep_low(&low)
    }

    /// The gradients as they are now.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn gradients(&self) -> Result<Gradients> {
        let of = |param: &Tensor| {
            let grad = param.f_grad()?;
            Ok(grad.defined().then_some(grad))
        };
        Ok(Gradients {
            adamw: self.adamw.params().map(of).collect::<Result<_>>()?,
            muon: self.muon.params().map(of).collect::<Result<_>>()?,
        })
    }

    /// Sets the gradients to none, for the next step.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn reset_gradients(&self) -> Result<()> {
        Ok(sst_kernels::reset_gradients(self.adamw.params().chain(self.muon.params()))?)
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
        self.adamw.update(lr, &grads.adamw, grad_scale, found_inf)?;
        tch::no_grad(|| self.muon.update(lr, &grads.muon, grad_scale, found_inf))
    }

    fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.adamw.tensors().chain(self.muon.tensors())
    }

    /// The state as named tensors: `exp_avg.NAME`, `exp_avg_sq.NAME` and `step.NAME` for each parameter of
    /// AdamW, `momentum.NAME` for each of Muon.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        self.tensors().map(|(name, tensor)| (name, tensor.shallow_clone())).collect()
    }

    /// Takes back what [`Optimizer::state`] gave.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape; nothing is changed then.
    pub fn load_state(&mut self, state: BTreeMap<String, Tensor>) -> Result<()> {
        state::load(self.tensors(), state)
    }
}
