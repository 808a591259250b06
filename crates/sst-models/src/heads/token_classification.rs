//! The head that classifies each token, as in named-entity recognition.
//!
//! Shapes: n tokens, d hidden size, o classes.

use sst_core::nn::dropout;
use sst_core::{Forward, Head, HeadInput, Result};
use tch::Tensor;

use super::Classifier;

/// Dropout and a classifier on the hidden state of each token (`BertForTokenClassification`,
/// `GPT2ForTokenClassification`, `LlamaForTokenClassification`).
#[derive(Debug)]
pub(crate) struct TokenClassification {
    dropout: f64,
    classifier: Classifier,
}

impl TokenClassification {
    /// A head with this dropout probability before the classifier.
    pub(crate) fn new(dropout: f64, classifier: Classifier) -> Self {
        Self { dropout, classifier }
    }
}

impl Head for TokenClassification {
    fn logits(&self, hidden_nd: &Tensor, Forward { train, .. }: Forward) -> Result<Tensor> {
        let hidden_nd = dropout(hidden_nd.shallow_clone(), self.dropout, train)?;
        self.classifier.forward(&hidden_nd, train)
    }

    fn num_outputs(&self) -> usize {
        self.classifier.num_outputs()
    }

    fn input(&self) -> HeadInput {
        HeadInput::EveryToken
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.classifier.parameters()
    }
}
