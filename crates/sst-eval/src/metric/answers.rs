//! What the metrics of extractive question answering share: questions with their gold answers, and scores.

use super::error::MetricError;

/// A question: its gold answers, and what a model says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnsweredQuestion<'a> {
    /// The answers that are right. A question without any has no answer in its text.
    pub gold: &'a [&'a str],
    /// The text that the model answers with, empty for "no answer"; `None` if there is no prediction.
    pub prediction: Option<&'a str>,
    /// How sure the model is that there is no answer: any number that grows with it, such as a probability or a
    /// difference of scores.
    pub no_answer_score: f64,
}

/// The scores of one answer, or their mean over questions, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AnswerScores {
    /// Whether the answer equals a gold answer, or the share of those that do.
    pub exact: f64,
    /// The F1 of the parts (words, characters) that it shares with a gold answer.
    pub f1: f64,
}

/// The mean scores of questions.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct QuestionScores {
    /// The means; 0 if there are no questions.
    pub scores: AnswerScores,
    /// The number of questions that the means are over.
    pub total: usize,
    /// Those of them without a prediction, which score 0.
    pub missing: usize,
}

impl QuestionScores {
    /// The mean of the scores of questions; `None` stands for one without a prediction.
    pub(super) fn mean(scores: impl IntoIterator<Item = Option<AnswerScores>>) -> Self {
        let mut sum = Self::default();
        for scores in scores {
            sum.total += 1;
            match scores {
                Some(scores) => {
                    sum.scores.exact += scores.exact;
                    sum.scores.f1 += scores.f1;
                }
                None => sum.missing += 1,
            }
        }
        let count = sum.total.max(1) as f64;
        let AnswerScores { exact, f1 } = sum.scores;
        Self { scores: AnswerScores { exact: exact / count, f1: f1 / count }, ..sum }
    }
}

/// The greatest exact match and the greatest F1 over gold answers, each by itself; 0 without any.
pub(super) fn best(scores: impl Iterator<Item = AnswerScores>) -> AnswerScores {
    scores.fold(AnswerScores::default(), |best, scores| AnswerScores {
        exact: best.exact.max(scores.exact),
        f1: best.f1.max(scores.f1),
    })
}

/// F1 from the number of shared parts and the numbers of parts of both answers; 0 if nothing is shared.
pub(super) fn f1(shared: usize, predicted: usize, gold: usize) -> f64 {
    if shared == 0 {
        return 0.0;
    }
    let (precision, recall) = (shared as f64 / predicted as f64, shared as f64 / gold as f64);
    2.0 * precision * recall / (precision + recall)
}

/// Checks that all scores for "no answer" are finite.
pub(super) fn check_no_answer_scores(
    questions: &[AnsweredQuestion<'_>],
) -> Result<(), MetricError> {
    let scores: Vec<f64> = questions.iter().map(|question| question.no_answer_score).collect();
    super::error::check_finite("scores for no answer", &scores)
}
