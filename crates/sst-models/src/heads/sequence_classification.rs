//! The head that classifies rows.
//!
//! Shapes: b rows, d hidden size, o classes.

use sst_core::nn::dropout;
use sst_core::{Forward, Head, HeadInput, Result};
use tch::Tensor;

use super::{Classifier, Pooler};

/// A classifier on the hidden state of one token of each row. Encoders use the first token, with the pooler and
/// dropout before the classifier (`BertForSequenceClassification`) or without (`ViTForImageClassification`). Decoders use
/// the last token, which attends to all others (`GPT2ForSequenceClassification`, `LlamaForSequenceClassification`).
#[derive(Debug)]
pub(crate) struct SequenceClassification {
    pooler: Option<Pooler>,
    dropout: f64,
    classifier: Classifier,
    input: HeadInput,
}

impl SequenceClassification {
    /// A head on the pooled hidden state of the first token, with this dropout probability before the classifier.
    pub(crate) fn of_first_token(pooler: Pooler, dropout: f64, classifier: Classifier) -> Self {
        Self { pooler: Some(pooler), dropout, classifier, input: HeadInput::FirstToken }
    }

    /// A head on the hidden state of the class token, the first one of an image.
    pub(crate) fn of_class_token(classifier: Classifier) -> Self {
        Self { pooler: None, dropout: 0.0, classifier, input: HeadInput::FirstToken }
    }

    /// A head on the hidden state of the last token whose id is not `padding_id`.
    pub(crate) fn of_last_token(classifier: Classifier, padding_id: Option<i64>) -> Self {
        let input = HeadInput::LastToken { padding_id };
        Self { pooler: None, dropout: 0.0, classifier, input }
    }
}

impl Head for SequenceClassification {
    fn logits(&self, hidden_nd: &Tensor, Forward { train, .. }: Forward) -> Result<Tensor> {
        let pooled_bd = match &self.pooler {
            Some(pooler) => pooler.forward(hidden_nd, train)?,
            None => hidden_nd.shallow_clone(),
        };
        self.classifier.forward(&dropout(pooled_bd, self.dropout, train)?, train)
    }

    fn num_outputs(&self) -> usize {
        self.classifier.num_outputs()
    }

    fn input(&self) -> HeadInput {
        self.input
    }

    fn parameters(&self) -> Vec<&Tensor> {
        let pooler = self.pooler.iter().flat_map(Pooler::parameters);
        pooler.chain(self.classifier.parameters()).collect()
    }
}
