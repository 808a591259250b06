//! The head for extractive question answering, which scores where an answer starts and ends.
//!
//! Shapes: n tokens, d hidden size.

use sst_core::nn::Linear;
use sst_core::{Forward, Head, HeadInput, Result};
use tch::Tensor;

/// One linear layer on the hidden state of each token (Devlin et al. 2019, "BERT", section 4.2;
/// `BertForQuestionAnswering`, `GPT2ForQuestionAnswering`, `LlamaForQuestionAnswering`). Output 0 scores the start of
/// the span, output 1 its end.
#[derive(Debug)]
pub(crate) struct Span {
    outputs: Linear,
}

impl Span {
    /// A head with this linear layer, which has two outputs.
    pub(crate) fn new(outputs: Linear) -> Self {
        Self { outputs }
    }
}

impl Head for Span {
    fn logits(&self, hidden_nd: &Tensor, forward: Forward) -> Result<Tensor> {
        self.outputs.forward(hidden_nd, forward.train)
    }

    fn num_outputs(&self) -> usize {
        2
    }

    fn input(&self) -> HeadInput {
        HeadInput::EveryToken
    }

    fn parameters(&self) -> Vec<&Tensor> {
        self.outputs.parameters().collect()
    }
}
