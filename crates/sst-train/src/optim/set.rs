//! The optimiser of a run, in which the update rule of a parameter is that of its group.

use std::collections::{BTreeMap, BTreeSet};

use sst_core::{Error, Result};
use tch::Tensor;

use super::bf16_weights::Bf16Weights;
use super::rule::UpdateRule;
use super::{OptimizerConfig, OptimizerName, ParamGroup, state};

/// The optimiser of a run. Each parameter is updated by the rule that its group names.
#[derive(Debug)]
pub struct Optimizer {
    /// The update rules in the order of [`OptimizerName::ALL`]. A rule may have no parameters.
    rules: Vec<Box<dyn UpdateRule>>,
}

/// The gradients of one step.
#[derive(Debug)]
pub struct Gradients {
    /// For each rule, an entry for each of its parameters: its gradient, or `None` if it has no gradient.
    by_rule: Vec<Vec<Option<Tensor>>>,
}

impl Gradients {
    /// The gradients of all parameters that have one.
    pub fn iter(&self) -> impl Iterator<Item = &Tensor> {
        self.by_rule.iter().flatten().flatten()
    }

    /// Whether a parameter has a gradient, for each parameter in order.
    pub(crate) fn is_present(&self) -> impl Iterator<Item = bool> {
        self.by_rule.iter().flatten().map(Option::is_some)
    }

    /// The 2-norm of all gradients together, a scalar on the device. `None` if no parameter has a gradient.
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
    /// An optimiser for the parameters of `groups`, whose state is zero.
    ///
    /// # Errors
    /// If there are no parameters, two parameters have the same name, Muon is to update a parameter that is not a
    /// matrix, or libtorch fails.
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
        let mut remaining = groups;
        let mut rules = Vec::new();
        for name in OptimizerName::ALL {
            let (of_rule, others) = remaining.into_iter().partition(|group| group.rule == name);
            remaining = others;
            rules.push((name.entry().build)(&config, of_rule)?);
        }
        Ok(Self { rules })
    }

    /// From now on, every update also writes the bf16 weights that `bf16_weights` returns for the name of a parameter.
    /// To be called before the first update.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn set_bf16_weights(
        &mut self,
        bf16_weights: impl Fn(&str) -> Option<Bf16Weights>,
    ) -> Result<()> {
        self.rules.iter_mut().try_for_each(|rule| rule.set_bf16_weights(&bf16_weights))
    }

    /// The gradients that the parameters have now.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn gradients(&self) -> Result<Gradients> {
        let gradient = |param: &Tensor| {
            let grad = param.f_grad()?;
            Ok(grad.defined().then_some(grad))
        };
        let by_rule =
            self.rules.iter().map(|rule| rule.params().into_iter().map(gradient).collect());
        Ok(Gradients { by_rule: by_rule.collect::<Result<_>>()? })
    }

    /// Adds a gradient of zeros for each parameter that has no gradient and needs one. `needs_gradient` is called with
    /// the index of the parameter, in the order of [`Gradients::is_present`].
    ///
    /// # Errors
    /// If libtorch fails.
    pub(crate) fn add_missing(
        &self,
        gradients: &mut Gradients,
        needs_gradient: impl Fn(usize) -> bool,
    ) -> Result<()> {
        let moments = self.rules.iter().flat_map(|rule| rule.moments());
        let all_gradients = gradients.by_rule.iter_mut().flatten();
        for (index, (moment, gradient)) in moments.zip(all_gradients).enumerate() {
            if gradient.is_none() && needs_gradient(index) {
                // A moment has the shape of its parameter, also if the parameter itself has no storage.
                *gradient = Some(moment.f_zeros_like()?);
            }
        }
        Ok(())
    }

    /// Drops the gradients of all parameters (PyTorch's `zero_grad(set_to_none=True)`).
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn reset_gradients(&self) -> Result<()> {
        Ok(sst_kernels::reset_gradients(self.rules.iter().flat_map(|rule| rule.params()))?)
    }

    /// One update at the learning rate `lr`. The gradients are first divided by `grad_scale`, an fp32 scalar on the
    /// device. If `found_inf`, another fp32 scalar on the device, is 1, the update changes nothing. The host does not
    /// read it, and so does not wait for the device.
    ///
    /// # Errors
    /// If `grads` comes from another optimiser, or libtorch fails.
    pub fn update(
        &mut self,
        lr: f64,
        grads: &Gradients,
        grad_scale: Option<&Tensor>,
        found_inf: Option<&Tensor>,
    ) -> Result<()> {
        if grads.by_rule.len() != self.rules.len() {
            return Err(Error::Contract("the gradients come from another optimiser".into()));
        }
        for (rule, grads) in self.rules.iter_mut().zip(&grads.by_rule) {
            rule.update(lr, grads, grad_scale, found_inf)?;
        }
        Ok(())
    }

    fn tensors(&self) -> impl Iterator<Item = (String, &Tensor)> {
        self.rules.iter().flat_map(|rule| rule.tensors())
    }

    /// The state as named tensors: `exp_avg.NAME`, `exp_avg_sq.NAME` and `step.NAME` for a parameter of AdamW, and
    /// `momentum.NAME` for a parameter of Muon. The tensors share their storage with the state.
    pub fn state(&self) -> BTreeMap<String, Tensor> {
        self.tensors().map(|(name, tensor)| (name, tensor.shallow_clone())).collect()
    }

    /// Restores a state that [`Optimizer::state`] returned.
    ///
    /// # Errors
    /// If a tensor is missing, unexpected or of another shape. The state is then unchanged.
    pub fn load_state(&mut self, state: BTreeMap<String, Tensor>) -> Result<()> {
        state::load(self.tensors(), state)
    }
}
