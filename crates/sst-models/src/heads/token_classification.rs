//! The head that classifies each token, as in named-entity recognition.
//!
//! Shapes: n tokens, d hidden size, o classes.

use sst_core::nn::{Linear, dropout};
use sst_core::{Forward, Head, HeadInput, Result};
use tch::Tensor;

/// Dropout and one linear layer on the hidden state of each token (`BertForTokenClassification`).
#[derive(Debug)]
pub(crate) struct TokenClassification {
    dropout: f64,
    classifier: Linear,
}

impl TokenClassification {
    /// A head with this dropout probability before the linear layer.
    pub(crate) fn new(dropout: f64, classifier: Linear) -> Self {
        Self { dropout, classifier }
    }
}

impl Head for TokenClassification {
    fn logits(&self, hidden_nd: &Tensor, Forward { train, .. }: Forward) -> Result<Tensor> {
        let hidden_nd = dropout(hidden_nd.shallow_clone(), self.dropout, train)?;
        self.classifier.forward(&hidden_nd, train)
    }

    fn num_outputs(&self) -> usize {
        self.classifier.num_outputs() as usize
    }

    fn input(&self) -> HeadInput {
        HeadInput::EveryToken
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.classifier.parameters().collect()
    }
}
