//! The two matrices that LoRA adds to a linear layer.
//!
//! Shapes: r rank.

use sst_kernels::WeightLayout;
use tch::Tensor;

use super::layers::dropout;
use super::product::linear;
use crate::error::Result;
use crate::params::{Init, Scope};

/// `s B A x` (Hu et al. 2021, "LoRA", section 4.1).
#[derive(Debug)]
pub(super) struct Lora {
    /// `[r, in]`.
    a: Tensor,
    /// `[out, r]`.
    b: Tensor,
    scale: f64,
    dropout: f64,
}

impl Lora {
    /// The matrices of the linear layer in `scope`, whose weight has this layout; `None` if the model does not adapt
    /// it. `A` starts as PyTorch's linear layers do (`kaiming_uniform_` with `a = sqrt(5)`), `B` at zero.
    pub(super) fn new(
        scope: &Scope<'_>,
        input: i64,
        output: i64,
        layout: WeightLayout,
    ) -> Result<Option<Self>> {
        let Some(config) = scope.adapt(layout) else { return Ok(None) };
        let init = Init::Uniform((input as f64).powf(-0.5));
        let a = scope.sub("lora_A").param("weight", &[config.rank, input], init)?;
        let b = scope.sub("lora_B").param("weight", &[output, config.rank], Init::Zeros)?;
        Ok(Some(Self { a, b, scale: config.scale(), dropout: config.dropout }))
    }

    /// A second handle on the same parameters.
    pub(super) fn handle(&self) -> Self {
        let [a, b] = [&self.a, &self.b].map(Tensor::shallow_clone);
        Self { a, b, scale: self.scale, dropout: self.dropout }
    }

    pub(super) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        [&self.a, &self.b].into_iter()
    }

    /// `y + s B A dropout(x)`, for the result `y` of the layer for `x`.
    pub(super) fn add_to(&self, y: &Tensor, x: &Tensor, train: bool) -> Result<Tensor> {
        let x = dropout(x.shallow_clone(), self.dropout, train)?;
        // The scale is applied where there are the fewest numbers.
        let inner = linear(&x, &self.a, None)?.f_mul_scalar(self.scale)?;
        Ok(y.f_add(&linear(&inner, &self.b, None)?)?)
    }
}
