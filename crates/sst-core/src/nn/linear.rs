//! Linear layers that own their parameters.

use sst_kernels::{Affine, WeightLayout, joint};
use tch::Tensor;

use super::activation::Activation;
use super::product::{self, activated_linear, conv1d, linear};
use crate::error::{Error, Result};
use crate::params::{Init, Scope};

/// `y = x W^T + b`, with a weight in either layout.
#[derive(Debug)]
pub struct Linear {
    /// `[out, in]`, or `[in, out]` for a layer of [`Linear::in_out`].
    pub weight: Tensor,
    /// `[out]`.
    pub bias: Option<Tensor>,
    layout: WeightLayout,
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
        Ok(Self { weight, bias, layout: WeightLayout::OutIn })
    }

    /// A layer without a bias.
    ///
    /// # Errors
    /// As for [`Linear::new`].
    pub fn without_bias(scope: &Scope<'_>, input: i64, output: i64, std: f64) -> Result<Self> {
        let weight = scope.param("weight", &[output, input], Init::Normal(std))?;
        Ok(Self { weight, bias: None, layout: WeightLayout::OutIn })
    }

    /// A layer as [`Linear::new`] makes it, with a weight `[in, out]`: the `Conv1D` of transformers, which GPT-2 uses.
    ///
    /// # Errors
    /// As for [`Linear::new`].
    pub fn in_out(scope: &Scope<'_>, input: i64, output: i64, std: f64) -> Result<Self> {
        let weight = scope.param("weight", &[input, output], Init::Normal(std))?;
        let bias = Some(scope.param("bias", &[output], Init::Zeros)?);
        Ok(Self { weight, bias, layout: WeightLayout::InOut })
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
        Ok(Self { weight, bias, layout: WeightLayout::OutIn })
    }

    /// A second handle on the same parameters.
    pub fn handle(&self) -> Self {
        Self {
            weight: self.weight.shallow_clone(),
            bias: self.bias.as_ref().map(Tensor::shallow_clone),
            layout: self.layout,
        }
    }

    /// Its parameters.
    pub fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        std::iter::once(&self.weight).chain(&self.bias)
    }

    /// The width of its output.
    pub fn num_outputs(&self) -> i64 {
        match self.layout {
            WeightLayout::OutIn => self.weight.size()[0],
            WeightLayout::InOut => self.weight.size()[1],
        }
    }

    /// Applies three layers to one input with a single matrix product. The outputs are side by side in the last
    /// dimension. All weights must be `[out, in]`.
    ///
    /// # Errors
    /// If widths differ, some layers have a bias and others none, or libtorch fails.
    pub fn forward_joint(layers: [&Self; 3], x: &Tensor) -> Result<Tensor> {
        let weight = joint(layers.map(|layer| &layer.weight))?;
        let bias = match layers.map(|layer| layer.bias.as_ref()) {
            [Some(a), Some(b), Some(c)] => Some(joint([a, b, c])?),
            [None, None, None] => None,
            _ => return Err(Error::Contract("all layers or none must have a bias".to_owned())),
        };
        linear(x, &weight, bias.as_ref())
    }

    /// Applies the layer to the last dimension; to `[t, in]` if the weight is `[in, out]`.
    ///
    /// # Errors
    /// If the width differs, or libtorch fails.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match (self.layout, &self.bias) {
            (WeightLayout::OutIn, bias) => linear(x, &self.weight, bias.as_ref()),
            (WeightLayout::InOut, Some(bias)) => conv1d(x, &self.weight, bias),
            (WeightLayout::InOut, None) => Ok(x.f_matmul(&self.weight)?),
        }
    }

    /// The activation of [`Linear::forward`].
    ///
    /// # Errors
    /// As for [`Linear::forward`].
    pub fn forward_activated(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        match self.layout {
            WeightLayout::OutIn => activated_linear(x, self.affine(), activation),
            WeightLayout::InOut => activation.apply(&self.forward(x)?),
        }
    }

    /// Two layers with an activation between them. Their weights have the same layout.
    ///
    /// # Errors
    /// As for [`Linear::forward`]; also if the layouts differ.
    pub fn mlp(layers: [&Self; 2], x: &Tensor, activation: Activation) -> Result<Tensor> {
        let [up, down] = layers;
        if up.layout != down.layout {
            let reason = "the two layers of an MLP must have weights of the same layout";
            return Err(Error::Contract(reason.to_owned()));
        }
        product::mlp(x, [up.affine(), down.affine()], up.layout, activation)
    }

    /// The parameters, for a call that runs several layers.
    fn affine(&self) -> Affine<'_> {
        Affine { weight: &self.weight, bias: self.bias.as_ref() }
    }
}
