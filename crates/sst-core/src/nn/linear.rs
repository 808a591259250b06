//! Linear layers that own their parameters.

use sst_kernels::{Affine, WeightLayout, joint};
use tch::Tensor;

use super::activation::Activation;
use super::lora::Lora;
use super::product::{self, activated_linear, conv1d, linear};
use crate::error::{Error, Result};
use crate::params::{Init, Scope};

/// `y = x W^T + b`, with a weight in either layout; and what LoRA adds to it, if the model is adapted
/// ([`crate::lora`]).
#[derive(Debug)]
pub struct Linear {
    /// `[out, in]`, or `[in, out]` for a layer of [`Linear::in_out`].
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Option<Tensor>,
    layout: WeightLayout,
    lora: Option<Lora>,
}

impl Linear {
    /// A layer whose bias starts at zero and whose weight is drawn from a normal distribution with standard deviation
    /// `std`.
    ///
    /// # Errors
    /// If the name of a parameter is taken, or libtorch fails.
    pub fn new(scope: &Scope<'_>, input: i64, output: i64, std: f64) -> Result<Self> {
        let weight = scope.param("weight", &[output, input], Init::Normal(std))?;
        let bias = Some(scope.param("bias", &[output], Init::Zeros)?);
        Self::with(scope, weight, bias, WeightLayout::OutIn)
    }

    /// A layer without a bias.
    ///
    /// # Errors
    /// As for [`Linear::new`].
    pub fn without_bias(scope: &Scope<'_>, input: i64, output: i64, std: f64) -> Result<Self> {
        let weight = scope.param("weight", &[output, input], Init::Normal(std))?;
        Self::with(scope, weight, None, WeightLayout::OutIn)
    }

    /// A layer as [`Linear::new`] makes it, with a weight `[in, out]`: the `Conv1D` of transformers, which GPT-2 uses.
    ///
    /// # Errors
    /// As for [`Linear::new`].
    pub fn in_out(scope: &Scope<'_>, input: i64, output: i64, std: f64) -> Result<Self> {
        let weight = scope.param("weight", &[input, output], Init::Normal(std))?;
        let bias = Some(scope.param("bias", &[output], Init::Zeros)?);
        Self::with(scope, weight, bias, WeightLayout::InOut)
    }

    /// A layer as [`Linear::new`] makes it, whose weight has the initial values of the weight in the scope `like`.
    ///
    /// # Errors
    /// As for [`Linear::new`].
    pub fn new_like(
        scope: &Scope<'_>,
        like: &Scope<'_>,
        input: i64,
        output: i64,
        std: f64,
    ) -> Result<Self> {
        let weight = scope.param_like(like, "weight", &[output, input], Init::Normal(std))?;
        let bias = Some(scope.param("bias", &[output], Init::Zeros)?);
        Self::with(scope, weight, bias, WeightLayout::OutIn)
    }

    fn with(
        scope: &Scope<'_>,
        weight: Tensor,
        bias: Option<Tensor>,
        layout: WeightLayout,
    ) -> Result<Self> {
        let (input, output) = match (weight.size2()?, layout) {
            ((output, input), WeightLayout::OutIn) | ((input, output), WeightLayout::InOut) => {
                (input, output)
            }
        };
        let lora = Lora::new(scope, input, output, layout)?;
        Ok(Self { weight, bias, layout, lora })
    }

    /// A second handle on the same parameters.
    pub fn handle(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.as_ref().map(Tensor::shallow_clone),
            layout: self.layout,
            lora: self.lora.as_ref().map(Lora::handle),
        }
    }

    /// Its parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        let lora = self.lora.iter().flat_map(Lora::parameters);
        std::iter::once(&self.weight).chain(&self.bias).chain(lora)
    }

    /// Whether LoRA adapts the layer, so that its parameters alone do not say what it computes.
    pub fn is_adapted(&self) -> bool {
        self.lora.is_some()
    }

    /// The width of its output.
    pub fn num_outputs(&self) -> i64 {
        match self.layout {
            WeightLayout::OutIn => self.weight.size()[0],
            WeightLayout::InOut => self.weight.size()[1],
        }
    }

    /// Applies three layers to one input with a single matrix product. The outputs are side by side in the last
    /// dimension. All weights must be `[out, in]`, and no layer adapted ([`Linear::is_adapted`]).
    ///
    /// # Errors
    /// If widths differ, some layers have a bias and others none, a layer is adapted, or libtorch fails.
    pub fn forward_joint(layers: [&Self; 3], x: &Tensor) -> Result<Tensor> {
        if layers.iter().any(|layer| layer.is_adapted()) {
            return Err(Error::Contract("layers with LoRA have no joint product".to_owned()));
        }
        let weight = joint(layers.map(|layer| &layer.weight))?;
        let bias = match layers.map(|layer| layer.bias.as_ref()) {
            [Some(a), Some(b), Some(c)] => Some(joint([a, b, c])?),
            [None, None, None] => None,
            _ => return Err(Error::Contract("all layers or none must have a bias".to_owned())),
        };
        linear(x, &weight, bias.as_ref())
    }

    /// Applies the layer to the last dimension; to `[t, in]` if the weight is `[in, out]`. `train` turns on the
    /// dropout of LoRA.
    ///
    /// # Errors
    /// If the width differs, or libtorch fails.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let y = match (self.layout, &self.bias) {
            (WeightLayout::OutIn, bias) => linear(x, &self.weight, bias.as_ref())?,
            (WeightLayout::InOut, Some(bias)) => conv1d(x, &self.weight, bias)?,
            (WeightLayout::InOut, None) => x.f_matmul(&self.weight)?,
        };
        match &self.lora {
            None => Ok(y),
            Some(lora) => lora.add_to(&y, x, train),
        }
    }

    /// The activation of [`Linear::forward`].
    ///
    /// # Errors
    /// As for [`Linear::forward`].
    pub fn forward_activated(
        &self,
        x: &Tensor,
        activation: Activation,
        train: bool,
    ) -> Result<Tensor> {
        match (self.layout, &self.lora) {
            (WeightLayout::OutIn, None) => activated_linear(x, self.affine(), activation),
            _ => activation.apply(&self.forward(x, train)?),
        }
    }

    /// Two layers with an activation between them. Their weights have the same layout.
    ///
    /// # Errors
    /// As for [`Linear::forward`]; also if the layouts differ.
    pub fn mlp(
        layers: [&Self; 2],
        x: &Tensor,
        activation: Activation,
        train: bool,
    ) -> Result<Tensor> {
        let [up, down] = layers;
        if up.layout != down.layout {
            let reason = "the two layers of an MLP must have weights of the same layout";
            return Err(Error::Contract(reason.to_owned()));
        }
        // The kernel for both layers knows nothing of what LoRA adds between them.
        if layers.iter().any(|layer| layer.is_adapted()) {
            return down.forward(&up.forward_activated(x, activation, train)?, train);
        }
        product::mlp(x, [up.affine(), down.affine()], up.layout, activation)
    }

    /// The parameters, for a call that runs several layers.
    fn affine(&self) -> Affine<'_> {
        Affine { weight: &self.weight, bias: self.bias.as_ref() }
    }
}
