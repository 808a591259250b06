//! The optimiser of a run: each parameter under the rule of its group.

use std::collections::{BTreeMap, BTreeSet};

use sst_core::{Error, Result};
use tch::Tensor;

use super::bf16_weights::Bf16Weights;
use super::rule::UpdateRule;
use super::{OptimizerConfig, OptimizerName, ParamGroup, state};

/// The rules of a run, each with the parameters whose group says so.
#[derive(Debug)]
pub struct Optimizer {
    /// In the order of [`OptimizerName::ALL`]; rules without a parameter among them.
    rules: Vec<Box<dyn UpdateRule>>,
}

/// The gradients of one step, by parameter.
#[derive(Debug)]
pub struct Gradients {
    /// For each rule, the gradients of its parameters; `None` for a parameter without one.
    by_rule: Vec<Vec<Option<Tensor>>>,
}

impl Gradients {
    /// The gradients that exist.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor> {
        self.by_rule.iter().flatten().flatten()
    }

    /// Whether each parameter has one, in the order of the parameters.
    pub(crate) fn present(&self) -> impl Iterator<Item = bool> {
        self.by_rule.iter().flatten().map(Option::is_some)
    }

    /// The 2-norm over all gradients, a scalar on the device; `None` if no parameter has a gradient.
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
    /// If there are no parameters, two have one name, a rule cannot take a parameter (Muon takes matrices only), or
    /// libtorch fails.
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
        let mut rest = groups;
        let mut rules = Vec::new();
        for name in OptimizerName::ALL {
            let (own, others) = rest.into_iter().partition(|group| group.rule == name);
            rest = others;
            rules.push((name.entry().build)(&config, own)?);
        }
        Ok(Self { rules })
    }

    /// From now on, every update also writes the bf16 weights that `low` returns for the name of a parameter. To be
    /// called before the first update.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn keep_low(&mut self, low: impl Fn(&str) -> Option<Bf16Weights>) -> Result<()> {
        self.rules.iter_mut().try_for_each(|rule| rule.keep_low(&low))
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
        let by_rule = self.rules.iter().map(|rule| rule.params().into_iter().map(of).collect());
        Ok(Gradients { by_rule: by_rule.collect::<Result<_>>()? })
    }

    /// Gives a gradient of zeros to each parameter that has none and is to have one; `wanted` is asked with its place
    /// among all parameters.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(crate) fn add_zeros(
        &self,
        gradients: &mut Gradients,
        wanted: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let moments = self.rules.iter().flat_map(|rule| rule.moments());
        let gradients = gradients.by_rule.iter_mut().flatten();
        for (place, (moment, gradient)) in moments.zip(gradients).enumerate() {
            if gradient.is_none() && wanted(place) {
                *gradient = Some(moment.f_zeros_like()?);
            }
        }
        Ok(())
    }

    /// Sets the gradients to none, for the next step.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn reset_gradients(&self) -> Result<()> {
        Ok(sst_kernels::reset_gradients(self.rules.iter().flat_map(|rule| rule.params()))?)
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
        if grads.by_rule.len() != self.rules.len() {
            return Err(Error::Contract("the gradients are of another optimiser".into()));
        }
        for (rule, grads) in self.rules.iter_mut().zip(&grads.by_rule) {
            rule.update(lr, grads, grad_scale, found_inf)?;
        }
        Ok(())
    }

    fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.rules.iter().flat_map(|rule| rule.tensors())
    }

    /// The state as named tensors: `exp_avg.NAME`, `exp_avg_sq.NAME` and `step.NAME` for each parameter of
    /// AdamW, `momentum.NAME` for each of Muon.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        self.tensors().map(|(name, tensor)| (name, tensor.shallow_clone())).collect()
    }

    /// Restores a state that [`Optimizer::state`] returned.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape; nothing is changed then.
    pub fn load_state(&mut self, state: BTreeMap<String, Tensor>) -> Result<()> {
        state::load(self.tensors(), state)
    }
}
