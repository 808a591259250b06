//! The parameters of a model that LoRA adapts: which of them are trained and saved, and how they become whole weights.

use std::collections::BTreeMap;

use sst_kernels::WeightLayout;
use tch::Tensor;

use super::{ParamStore, Scope, cpu_copy};
use crate::error::{Error, Result};
use crate::lora::{Adapter, LoraConfig, is_lora};

/// A linear layer that LoRA adapts.
#[derive(Debug)]
pub(super) struct AdaptedLayer {
    /// The name of its module.
    module: String,
    /// The layout of its weight.
    layout: WeightLayout,
}

impl ParamStore {
    /// The store of a model that `adapter` adapts. Only the parameters that the adapter holds require gradients.
    #[must_use]
    pub fn with_adapter(self, adapter: Adapter) -> Self {
        Self { adapter: Some(adapter), ..self }
    }

    /// The adapter, if there is one.
    pub fn adapter(&self) -> Option<&Adapter> {
        self.adapter.as_ref()
    }

    /// The module names of the linear layers that LoRA adapts, and the layouts of their weights, in the order in which
    /// they were made.
    pub fn adapted_layers(&self) -> impl Iterator<Item = (&str, WeightLayout)> {
        self.adapted.iter().map(|layer| (&*layer.module, layer.layout))
    }

    /// Whether the parameter `name` is saved with the model: those of an adapter, or all if there is none.
    pub fn is_saved(&self, name: &str) -> bool {
        self.adapter.as_ref().is_none_or(|adapter| adapter.holds(name))
    }

    /// The parameters that are saved with the model.
    pub fn saved(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.iter().filter(|(name, _)| self.is_saved(name))
    }

    /// A copy on the CPU of every parameter that is saved with the model, sorted by name.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn saved_to_cpu(&self) -> Result<BTreeMap<String, Tensor>> {
        self.saved().map(|(name, tensor)| Ok((name.to_owned(), cpu_copy(tensor)?))).collect()
    }

    /// Whether it is a matrix of a new adapter, which no file holds.
    pub(super) fn is_new_matrix(&self, name: &str) -> bool {
        is_lora(name) && self.adapter.as_ref().is_some_and(|adapter| adapter.is_new)
    }

    /// Adds the products of the adapter's matrices to the weights of their layers, `W + s B A` (Hu et al. 2021,
    /// section 4.1), and drops the matrices: from then on the model is one without an adapter. Layers keep their
    /// handles on the matrices, of which `B` is zero then. All parameters must be in fp32.
    ///
    /// # Errors
    /// If a parameter is missing or not in fp32, or libtorch fails.
    pub fn merge_adapter(&mut self) -> Result<()> {
        let Some(adapter) = self.adapter.take() else { return Ok(()) };
        let scale = adapter.lora.scale();
        tch::no_grad(|| self.adapted.iter().try_for_each(|layer| self.merge_layer(layer, scale)))?;
        self.adapted.clear();
        self.params.retain(|(name, _)| !is_lora(name));
        let names = self.params.iter().enumerate();
        self.index = names.map(|(place, (name, _))| (name.clone(), place)).collect();
        Ok(())
    }

    fn merge_layer(
        &self,
        AdaptedLayer { module, layout }: &AdaptedLayer,
        scale: f64,
    ) -> Result<()> {
        let find = |end: &str| {
            let name = format!("{module}.{end}");
            let tensor = self.get(&name).filter(|tensor| tensor.kind() == tch::Kind::Float);
            tensor.ok_or_else(|| Error::Contract(format!("no fp32 parameter `{name}` to merge")))
        };
        let [mut weight, a, mut b] = [
            find("weight")?.f_detach()?,
            find("lora_A.weight")?.f_detach()?,
            find("lora_B.weight")?.f_detach()?,
        ];
        let product = b.f_matmul(&a)?.f_mul_scalar(scale)?;
        let change = match layout {
            WeightLayout::OutIn => product,
            WeightLayout::InOut => product.f_tr()?,
        };
        let _ = weight.f_add_(&change)?;
        let _ = b.f_zero_()?;
        Ok(())
    }
}

impl Scope<'_> {
    /// The settings of LoRA, if it adapts the linear layer of this scope, whose weight has this layout.
    pub(crate) fn adapt(&self, layout: WeightLayout) -> Option<LoraConfig> {
        let mut store = self.store.borrow_mut();
        let module = self.prefix.strip_suffix('.').unwrap_or(&self.prefix).to_owned();
        let adapter = store.adapter.as_ref().filter(|adapter| adapter.adapts(&module))?;
        let config = adapter.lora.clone();
        store.adapted.push(AdaptedLayer { module, layout });
        Some(config)
    }
}
