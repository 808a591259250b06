//! BERT's pooler.
//!
//! Shapes: b rows, d hidden size.

use sst_core::nn::Linear;
use sst_core::{Result, Scope};
use tch::Tensor;

/// The hidden state of the first token through a linear layer and tanh; heads on whole rows read it.
#[derive(Debug)]
pub(crate) struct Pooler {
    dense: Linear,
}

impl Pooler {
    /// Makes its parameters below `scope`, with this standard deviation.
    pub(crate) fn new(scope: &Scope<'_>, width: i64, std: f64) -> Result<Self> {
        Ok(Self { dense: Linear::new(&scope.sub("dense"), width, width, std)? })
    }

    /// Another handle on the same parameters.
    pub(crate) fn handle(&self) -> Self {
        Self { dense: self.dense.handle() }
    }

    /// Its parameters.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = &Tensor> {
        self.dense.parameters()
    }

    /// `[b, d]` for the first tokens' hidden states `[b, d]`.
    pub(crate) fn forward(&self, first_bd: &Tensor) -> Result<Tensor> {
        Ok(self.dense.forward(first_bd)?.f_tanh()?)
    }
}
