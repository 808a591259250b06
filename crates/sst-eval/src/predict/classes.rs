//! The classes of texts.

use sst_core::{HeadKind, Model, ProblemType};
use sst_data::Example;
use sst_data::rows::Dataset;

use super::forward::for_each_row;
use super::outputs::{output_names, problem_type};
use crate::error::EvalError;

/// Scores the classes of texts with the sequence-classification head of a model.
#[derive(Debug, Clone)]
pub struct ClassScorer {
    names: Vec<String>,
    problem: ProblemType,
    batch_size: usize,
}

/// What a head says of one text.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoredText {
    /// The logit of each output.
    pub logits: Vec<f32>,
    /// The probability of each class: a softmax for one class a text, a sigmoid of each for any number of classes. For a
    /// regression they are the predicted numbers.
    pub scores: Vec<f64>,
}

impl ScoredText {
    /// The output with the greatest logit, the first of equal ones.
    pub fn best(&self) -> usize {
        let better = |best: usize, at: usize| {
            if self.logits[at] > self.logits[best] { at } else { best }
        };
        (0..self.logits.len()).fold(0, better)
    }
}

impl ClassScorer {
    /// A scorer for the head of `model`, which computes `batch_size` rows at a time.
    ///
    /// # Errors
    /// If the model has no such head.
    pub fn new(model: &dyn Model, batch_size: usize) -> Result<Self, EvalError> {
        let names = output_names(model, HeadKind::SequenceClassification)?;
        let problem = problem_type(&model.config(), names.len());
        Ok(Self { names, problem, batch_size })
    }

    /// The names of the classes, in the order of the scores.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// What the head predicts.
    pub fn problem(&self) -> ProblemType {
        self.problem
    }

    /// Calls `visit` with each row and its scores, in order.
    ///
    /// # Errors
    /// If a row cannot be read, a logit is not finite, or the model fails.
    pub fn for_each(
        &self,
        model: &dyn Model,
        rows: &dyn Dataset,
        visit: &mut dyn FnMut(&Example, ScoredText) -> Result<(), EvalError>,
    ) -> Result<(), EvalError> {
        let kind = HeadKind::SequenceClassification;
        for_each_row(model, kind, rows, self.batch_size, &mut |example, logits| {
            let wide = logits.iter().map(|logit| f64::from(*logit));
            let scores = match self.problem {
                ProblemType::Regression => wide.collect(),
                ProblemType::SingleLabel => softmax(logits),
                ProblemType::MultiLabel => wide.map(|logit| 1.0 / (1.0 + (-logit).exp())).collect(),
            };
            visit(example, ScoredText { logits: logits.to_vec(), scores })
        })
    }
}

/// The softmax of some logits, in double precision.
pub(super) fn softmax(logits: &[f32]) -> Vec<f64> {
    let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f64> =
        logits.iter().map(|logit| (f64::from(*logit) - f64::from(greatest)).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|value| value / sum).collect()
}
