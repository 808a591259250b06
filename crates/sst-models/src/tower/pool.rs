//! How the hidden states of a row become one vector.
//!
//! Shapes: b rows, l tokens or patches, d hidden size, q width of the pooled vector.

use sst_core::nn::LayerNorm;
use sst_core::{HeadInput, Result};
use tch::Tensor;

use crate::heads::Pooler;

/// Makes one vector of the hidden states of a row.
pub(crate) trait Pool: Send {
    /// The hidden states that it reads.
    fn input(&self) -> HeadInput;

    /// The vectors `[b, q]` for hidden states `[b, d]`, or `[b, l, d]` if it reads whole rows.
    fn forward(&self, hidden: &Tensor, train: bool) -> Result<Tensor>;

    /// Its parameters.
    fn parameters(&self) -> Vec<&Tensor>;
}

impl Pool for Pooler {
    fn input(&self) -> HeadInput {
        HeadInput::FirstToken
    }

    fn forward(&self, hidden: &Tensor, train: bool) -> Result<Tensor> {
        self.forward(hidden, train)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.parameters().collect()
    }
}

/// The hidden state of one token.
pub(crate) struct TokenPool(pub(crate) HeadInput);

impl Pool for TokenPool {
    fn input(&self) -> HeadInput {
        self.0
    }

    fn forward(&self, hidden: &Tensor, _train: bool) -> Result<Tensor> {
        Ok(hidden.shallow_clone())
    }

    fn parameters(&self) -> Vec<&Tensor> {
        Vec::new()
    }
}

/// The norm of the hidden state of the first token.
pub(crate) struct FirstNorm(pub(crate) LayerNorm);

impl Pool for FirstNorm {
    fn input(&self) -> HeadInput {
        HeadInput::FirstToken
    }

    fn forward(&self, hidden: &Tensor, _train: bool) -> Result<Tensor> {
        self.0.before(hidden)
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.0.parameters().collect()
    }
}
