//! The language-model head of decoders.
//!
//! Shapes: n selected positions, d hidden size, v vocabulary size.

use sst_core::nn::linear;
use sst_core::{Forward, Head, HeadInput, Result};
use tch::Tensor;

/// A projection to the vocabulary, without a bias.
#[derive(Debug)]
pub(crate) struct VocabularyProjection {
    projection_vd: Tensor,
}

impl VocabularyProjection {
    /// A head with this projection `[v, d]`, which may be the word embeddings.
    pub(crate) fn new(projection_vd: Tensor) -> Self {
        Self { projection_vd }
    }
}

impl Head for VocabularyProjection {
    fn logits(&self, hidden_nd: &Tensor, _forward: Forward) -> Result<Tensor> {
        linear(hidden_nd, &self.projection_vd, None)
    }

    fn num_outputs(&self) -> usize {
        self.projection_vd.size()[0] as usize
    }

    fn input(&self) -> HeadInput {
        HeadInput::EveryToken
    }

    fn parameters(&self) -> Vec<&Tensor> {
        vec![&self.projection_vd]
    }
}
