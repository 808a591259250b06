//! Answers from start and end logits, as `postprocess_qa_predictions` of transformers' example `utils_qa.py` finds them.

use std::cmp::Ordering;

use super::error::{MetricError, check_length};

/// One window of a context, as a model read it: its logits, and where its tokens stand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerWindow<'a> {
    /// The logit of each token that the answer begins with it. The first token stands for "no answer".
    pub start_logits: &'a [f32],
    /// The logit of each token that the answer ends with it.
    pub end_logits: &'a [f32],
    /// For each token its characters in the context: the first one, and the position after the last one. It is `None` for
    /// tokens of the question, special tokens and padding, and the list may be shorter than those of the logits.
    pub offsets: &'a [Option<(usize, usize)>],
    /// Whether this window is the one in which a token has the most context around it; answers begin with such tokens
    /// alone. `None` allows all.
    pub has_max_context: Option<&'a [bool]>,
}

/// How answers are searched. The defaults are those of the example.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerSearch {
    /// The number of answers that are kept, and of start and end tokens that are tried in each window (20).
    pub n_best_size: usize,
    /// The most tokens of an answer (30).
    pub max_answer_length: usize,
    /// `None`: every question has an answer. Otherwise "no answer" wins if its score is greater than that of the best
    /// answer by more than this (0).
    pub null_score_diff_threshold: Option<f32>,
}

impl Default for AnswerSearch {
    fn default() -> Self {
        Self { n_best_size: 20, max_answer_length: 30, null_score_diff_threshold: None }
    }
}

/// A candidate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AnswerCandidate {
    /// Its first character in the context and the position after its last one; `None` for "no answer".
    pub span: Option<(usize, usize)>,
    /// The logit of its first token.
    pub start_logit: f32,
    /// The logit of its last token.
    pub end_logit: f32,
    /// The softmax of the sums of both logits over the candidates that are kept.
    pub probability: f64,
}

impl AnswerCandidate {
    /// The sum of both logits.
    pub fn score(&self) -> f32 {
        self.start_logit + self.end_logit
    }

    /// Whether the candidate says nothing: it is "no answer", or its characters are none.
    fn is_empty(&self) -> bool {
        self.span.is_none_or(|(start, end)| start >= end)
    }
}

/// What the search found for a question.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundAnswer {
    /// The first character of the answer in the context and the position after its last one; `None` for "no answer".
    pub span: Option<(usize, usize)>,
    /// The candidates, best first. With `null_score_diff_threshold` "no answer" is among them, at the end if others are
    /// better.
    pub candidates: Vec<AnswerCandidate>,
    /// The score of "no answer" without that of the best answer, for a search of the threshold; `None` if every question
    /// has an answer. Where there is no candidate but "no answer", it is the score of "no answer" alone.
    pub null_score_diff: Option<f32>,
}

impl AnswerSearch {
    /// The answer to a question from the windows of its context.
    ///
    /// In each window the tokens with the `n_best_size` greatest start logits are combined with those of the greatest end
    /// logits. A combination is a candidate if both tokens stand for characters of the context, the last is not before
    /// the first, and it is not too long. The score of "no answer" is the least over the windows.
    ///
    /// Of equal logits the later token comes first, and of equal scores the earlier window, then the one that comes first
    /// by its start token, then by its end token; "no answer" comes after its equals. This is the order of the example
    /// where numpy sorts stably, which its default does not promise. The example writes the text "empty" where no
    /// candidate has a text; here the answer is then "no answer", and that text is not among the candidates.
    ///
    /// # Errors
    /// [`MetricError::Length`] for windows without logits or with lists that differ in length,
    /// [`MetricError::NotFinite`] for a logit that is NaN, infinite or close to it, and [`MetricError::Setting`] for an
    /// `n_best_size` or `max_answer_length` of 0.
    pub fn find(&self, windows: &[AnswerWindow<'_>]) -> Result<FoundAnswer, MetricError> {
        let positive = |what, value: usize| match value {
            0 => Err(MetricError::Setting { what, value: 0.0, wanted: "1 at least" }),
            _ => Ok(()),
        };
        positive("n_best_size", self.n_best_size)?;
        positive("max_answer_length", self.max_answer_length)?;
        let mut candidates = Vec::new();
        let mut null: Option<AnswerCandidate> = None;
        for window in windows {
            check(window)?;
            let no_answer = candidate(None, window.start_logits[0], window.end_logits[0]);
            if null.is_none_or(|null| null.score() > no_answer.score()) {
                null = Some(no_answer);
            }
            self.add_candidates(window, &mut candidates);
        }
        let null = null.filter(|_| self.null_score_diff_threshold.is_some());
        candidates.extend(null);
        // A stable sort, so that equal scores keep their order.
        candidates.sort_by(|a, b| descending(a.score(), b.score()));
        candidates.truncate(self.n_best_size);
        let says_no_answer =
            |candidate: &AnswerCandidate| candidate.span.is_none_or(|span| span == (0, 0));
        if !candidates.iter().any(says_no_answer) {
            candidates.extend(null);
        }
        set_probabilities(&mut candidates);
        let best = match self.null_score_diff_threshold {
            None => candidates.first(),
            Some(_) => candidates.iter().find(|candidate| !candidate.is_empty()),
        };
        let null_score_diff = null.map(|null| {
            let (start, end) = best.map_or((0.0, 0.0), |best| (best.start_logit, best.end_logit));
            null.score() - start - end
        });
        let is_declined = match (null_score_diff, self.null_score_diff_threshold) {
            (Some(difference), Some(threshold)) => difference > threshold,
            _ => false,
        };
        let best = best.filter(|best| !is_declined && !best.is_empty());
        Ok(FoundAnswer { span: best.and_then(|best| best.span), candidates, null_score_diff })
    }

    fn add_candidates(&self, window: &AnswerWindow<'_>, candidates: &mut Vec<AnswerCandidate>) {
        let offset = |token: usize| window.offsets.get(token).copied().flatten();
        let ends = greatest(window.end_logits, self.n_best_size);
        for start in greatest(window.start_logits, self.n_best_size) {
            let has_max_context = window
                .has_max_context
                .is_none_or(|tokens| tokens.get(start).copied().unwrap_or(false));
            let Some((first, _)) = offset(start).filter(|_| has_max_context) else { continue };
            for end in &ends {
                let Some((_, last)) = offset(*end) else { continue };
                if *end < start || end - start + 1 > self.max_answer_length {
                    continue;
                }
                let (start_logit, end_logit) =
                    (window.start_logits[start], window.end_logits[*end]);
                candidates.push(candidate(Some((first, last)), start_logit, end_logit));
            }
        }
    }
}

fn candidate(span: Option<(usize, usize)>, start_logit: f32, end_logit: f32) -> AnswerCandidate {
    AnswerCandidate { span, start_logit, end_logit, probability: 0.0 }
}

fn check(window: &AnswerWindow<'_>) -> Result<(), MetricError> {
    let tokens = window.start_logits.len();
    check_length("tokens of a window", tokens, tokens.max(1))?;
    check_length("end logits", window.end_logits.len(), tokens)?;
    // The sum of two logits must not overflow either.
    let is_sound = |logit: &f32| logit.abs() <= f32::MAX / 2.0;
    let check = |what, logits: &[f32]| match logits.iter().position(|logit| !is_sound(logit)) {
        Some(at) => Err(MetricError::NotFinite { what, at, value: f64::from(logits[at]) }),
        None => Ok(()),
    };
    check("start logits", window.start_logits)?;
    check("end logits", window.end_logits)
}

/// The positions of the `count` greatest logits, greatest first, and of equal ones the later first.
fn greatest(logits: &[f32], count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..logits.len()).rev().collect();
    order.sort_by(|a, b| descending(logits[*a], logits[*b]));
    order.truncate(count);
    order
}

/// The order from greatest to least of numbers that are not NaN; -0 and 0 are equal.
fn descending(a: f32, b: f32) -> Ordering {
    b.partial_cmp(&a).unwrap_or(Ordering::Equal)
}

/// The softmax of the scores.
fn set_probabilities(candidates: &mut [AnswerCandidate]) {
    let score = |candidate: &AnswerCandidate| f64::from(candidate.score());
    let max = candidates.iter().map(score).fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = candidates.iter().map(|candidate| (score(candidate) - max).exp()).sum();
    for candidate in candidates {
        candidate.probability = (score(candidate) - max).exp() / sum;
    }
}
