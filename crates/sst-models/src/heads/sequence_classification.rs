//! The head that classifies rows.
//!
//! Shapes: b rows, d hidden size, o classes.

use sst_core::nn::{Linear, dropout};
use sst_core::{Forward, Head, HeadInput, Result};
use tch::Tensor;

use super::Pooler;

/// One linear layer on the hidden state of one token of each row. In encoders it is the first token, through the pooler
/// and dropout (`BertForSequenceClassification`); in decoders the last token, which has seen all others
/// (`GPT2ForSequenceClassification`, `LlamaForSequenceClassification`).
#[derive(Debug)]
pub(crate) struct SequenceClassification {
    pooler: Option<Pooler>,
    dropout: f64,
    classifier: Linear,
}

impl SequenceClassification {
    /// On the pooled hidden state of the first token, with this dropout before the linear layer.
    pub(crate) fn of_first_token(pooler: Pooler, dropout: f64, classifier: Linear) -> Self {
        Self { pooler: Some(pooler), dropout, classifier }
    }

    /// On the hidden state of the last token.
    pub(crate) fn of_last_token(classifier: Linear) -> Self {
        Self { pooler: None, dropout: 0.0, classifier }
    }
}

impl Head for SequenceClassification {
    fn logits(&self, hidden_nd: &Tensor, forward: Forward) -> Result<Tensor> {
        let pooled_bd = match &self.pooler {
            Some(pooler) => pooler.forward(hidden_nd)?,
            None => hidden_nd.shallow_clone(),
        };
        self.classifier.forward(&dropout(pooled_bd, self.dropout, forward.train)?)
    }

    fn num_outputs(&self) -> usize {
        self.classifier.weight.size()[0] as usize
    }

    fn input(&self) -> HeadInput {
        match self.pooler {
            Some(_) => HeadInput::FirstToken,
            None => HeadInput::LastToken,
        }
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let pooler = self.pooler.iter().flat_map(Pooler::parameters);
        pooler.chain(self.classifier.parameters()).collect()
    }
}
