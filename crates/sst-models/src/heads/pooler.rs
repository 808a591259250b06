//! The pooler of BERT and ViT.
//!
//! Shapes: b rows, d hidden size.

use sst_core::nn::{Activation, Linear};
use sst_core::{Result, Scope};
use tch::Tensor;

/// The pooler: a linear layer and an activation on the hidden state of the first token. Heads that score whole rows read
/// its result.
#[derive(Debug)]
pub(crate) struct Pooler {
    dense: Linear,
    activation: Activation,
}

impl Pooler {
    /// Makes the parameters of BERT's pooler in `scope`, drawn with this standard deviation.
    pub(crate) fn new(scope: &Scope<'_>, width: i64, std: f64) -> Result<Self> {
        Self::with(scope, [width, width], Activation::Tanh, std)
    }

    /// [`Pooler::new`] with d, the width of its output, and its activation.
    pub(crate) fn with(
        scope: &Scope<'_>,
        [width, output]: [i64; 2],
        activation: Activation,
        std: f64,
    ) -> Result<Self> {
        Ok(Self { dense: Linear::new(&scope.sub("dense"), width, output, std)?, activation })
    }

    /// A second handle on the same parameters.
    pub(crate) fn handle(&self) -> Self {
        Self { dense: self.dense.handle(), activation: self.activation }
    }

    /// Its parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        self.dense.parameters()
    }

    /// Applies the pooler to the hidden states `[b, d]` of the first tokens.
    pub(crate) fn forward(&self, first_bd: &Tensor, train: bool) -> Result<Tensor> {
        self.dense.forward_activated(first_bd, self.activation, train)
    }
}
