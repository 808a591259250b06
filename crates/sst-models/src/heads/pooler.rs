//! BERT's pooler.
//!
//! Shapes: b rows, d hidden size.

use sst_core::nn::Linear;
use sst_core::{Result, Scope};
use tch::Tensor;

/// The pooler: a linear layer and tanh on the hidden state of the first token. Heads that score whole rows read its
/// result.
#[derive(Debug)]
pub(crate) struct Pooler {
    dense: Linear,
}

impl Pooler {
    /// Makes the parameters in `scope`, drawn with this standard deviation.
    pub(crate) fn new(scope: &Scope<'_>, width: i64, std: f64) -> Result<Self> {
        Ok(Self { dense: Linear::new(&scope.sub("dense"), width, width, std)? })
    }

    /// A second handle on the same parameters.
    pub(crate) fn handle(&self) -> Self {
        Self { dense: self.dense.handle() }
    }

    /// Its parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        self.dense.parameters()
    }

    /// Applies the pooler to the hidden states `[b, d]` of the first tokens.
    pub(crate) fn forward(&self, first_bd: &Tensor, train: bool) -> Result<Tensor> {
        Ok(self.dense.forward(first_bd, train)?.f_tanh()?)
    }
}
