//! Extractive question answering as SQuAD scores it (Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine
//! Comprehension of Text", section 6.1; Rajpurkar et al. 2018, "Know What You Don't Know: Unanswerable Questions for
//! SQuAD"), with the figures of the scripts `evaluate-v1.1.py` and `evaluate-v2.0.py`, from 0 to 1 instead of 0 to 100.
//!
//! Not for Chinese, where words are not separated by white space: see [`cmrc()`](super::cmrc()).

use std::collections::HashMap;

use super::answers::{
    AnswerScores, AnsweredQuestion, QuestionScores, best, check_no_answer_scores, f1,
};
use super::error::MetricError;
use super::python_text::{is_space, is_word};

/// The form in which answers are compared: small letters, without ASCII punctuation, without the articles a, an and the,
/// and with one space between words.
pub fn normalize_answer(text: &str) -> String {
    let lower = text.to_lowercase();
    let plain: String = lower.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let mut words = String::with_capacity(plain.len());
    // Runs of word characters and of others. A run that is an article becomes a space.
    let mut rest = plain.as_str();
    while let Some(first) = rest.chars().next() {
        let end = rest.find(|c| is_word(c) != is_word(first)).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        words.push_str(if matches!(run, "a" | "an" | "the") { " " } else { run });
        rest = after;
    }
    let words = words.split(is_space).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// The scores of a prediction as SQuAD 1.1 has them, the best over the gold answers. Answers without words share none,
/// so their F1 is 0 even if both are empty.
pub fn squad_v1_answer(prediction: &str, gold: &[&str]) -> AnswerScores {
    let prediction = normalize_answer(prediction);
    best(gold.iter().map(|gold| {
        let gold = normalize_answer(gold);
        let (shared, predicted, all) = shared_words(&prediction, &gold);
        AnswerScores { exact: f64::from(prediction == gold), f1: f1(shared, predicted, all) }
    }))
}

/// The scores of a prediction as SQuAD 2.0 has them, the best over the gold answers. Gold answers without words are left
/// out, and if none is left, the empty prediction is the right one. If one of two answers has no words, F1 is 1 if the
/// other has none either.
pub fn squad_v2_answer(prediction: &str, gold: &[&str]) -> AnswerScores {
    let prediction = normalize_answer(prediction);
    let mut gold: Vec<String> = gold.iter().map(|gold| normalize_answer(gold)).collect();
    gold.retain(|gold| !gold.is_empty());
    if gold.is_empty() {
        gold.push(String::new());
    }
    best(gold.iter().map(|gold| {
        let exact = f64::from(prediction == *gold);
        let (shared, predicted, all) = shared_words(&prediction, gold);
        let f1 = if predicted == 0 || all == 0 { exact } else { f1(shared, predicted, all) };
        AnswerScores { exact, f1 }
    }))
}

/// The number of words that two normalised texts share, each as often as in both, and the numbers of their words.
fn shared_words(prediction: &str, gold: &str) -> (usize, usize, usize) {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let mut predicted = 0;
    for word in prediction.split(' ').filter(|word| !word.is_empty()) {
        *counts.entry(word).or_default() += 1;
        predicted += 1;
    }
    let (mut shared, mut all) = (0, 0);
    for word in gold.split(' ').filter(|word| !word.is_empty()) {
        all += 1;
        if let Some(left) = counts.get_mut(word).filter(|left| **left > 0) {
            *left -= 1;
            shared += 1;
        }
    }
    (shared, predicted, all)
}

/// The mean scores of questions as SQuAD 1.1 has them. A question without a prediction scores 0.
pub fn squad_v1(questions: &[AnsweredQuestion<'_>]) -> QuestionScores {
    QuestionScores::mean(questions.iter().map(|question| {
        question.prediction.map(|prediction| squad_v1_answer(prediction, question.gold))
    }))
}

/// The mean scores of questions as SQuAD 2.0 has them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SquadV2Scores {
    /// Over all questions, with the threshold that was given.
    pub all: QuestionScores,
    /// Over the questions that have gold answers (`HasAns`).
    pub has_answer: QuestionScores,
    /// Over those that have none (`NoAns`).
    pub no_answer: QuestionScores,
    /// The greatest mean exact match that a threshold gives (`best_exact`).
    pub best_exact: BestThreshold,
    /// The greatest mean F1 that a threshold gives (`best_f1`).
    pub best_f1: BestThreshold,
}

/// A mean score, and the threshold that gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestThreshold {
    /// The mean over all questions.
    pub score: f64,
    /// Questions whose score for "no answer" is above it count as answered with "no answer". It is 0 where no threshold
    /// is better than to answer all of them so, as in the script.
    pub threshold: f64,
}

/// The mean scores of questions as SQuAD 2.0 has them. A question whose score for "no answer" is above `threshold` counts
/// as answered with "no answer"; the script's default is 1, which no probability is above.
///
/// The script has no figure where predictions are missing; here such a question scores 0, is part of every mean, and is
/// counted. The best threshold is searched among the scores for "no answer" in their order, one question after the
/// other, so that one within questions of the same score may be found, as in the script.
///
/// # Errors
/// [`MetricError::NotFinite`] for a score for "no answer" that is NaN or infinite.
pub fn squad_v2(
    questions: &[AnsweredQuestion<'_>],
    threshold: f64,
) -> Result<SquadV2Scores, MetricError> {
    check_no_answer_scores(questions)?;
    let raw = questions.iter().map(|question| {
        question.prediction.map(|prediction| squad_v2_answer(prediction, question.gold))
    });
    let raw: Vec<Option<AnswerScores>> = raw.collect();
    let at_threshold = |(question, raw): (&AnsweredQuestion<'_>, &Option<AnswerScores>)| {
        let right = f64::from(question.gold.is_empty());
        let declined = AnswerScores { exact: right, f1: right };
        raw.map(|raw| if question.no_answer_score > threshold { declined } else { raw })
    };
    let scores: Vec<_> = questions.iter().zip(&raw).map(at_threshold).collect();
    let part = |has_answer: bool| {
        let pairs = questions.iter().zip(&scores);
        let of_part = pairs.filter(|(question, _)| question.gold.is_empty() != has_answer);
        QuestionScores::mean(of_part.map(|(_, scores)| *scores))
    };
    Ok(SquadV2Scores {
        all: QuestionScores::mean(scores.iter().copied()),
        has_answer: part(true),
        no_answer: part(false),
        best_exact: best_threshold(questions, &raw, |scores| scores.exact),
        best_f1: best_threshold(questions, &raw, |scores| scores.f1),
    })
}

/// Starts with "no answer" to every question and takes them in the order of their scores for "no answer" as answered.
fn best_threshold(
    questions: &[AnsweredQuestion<'_>],
    raw: &[Option<AnswerScores>],
    score: impl Fn(&AnswerScores) -> f64,
) -> BestThreshold {
    let mut order: Vec<usize> = (0..questions.len()).collect();
    order.sort_by(|a, b| {
        let key = |at: &usize| questions[*at].no_answer_score;
        // All are finite; -0 and 0 are equal, and equal ones keep their order.
        key(a).partial_cmp(&key(b)).unwrap_or(std::cmp::Ordering::Equal)
    });
    let is_declined = |(question, raw): &(&AnsweredQuestion<'_>, &Option<AnswerScores>)| {
        question.gold.is_empty() && raw.is_some()
    };
    let mut sum = questions.iter().zip(raw).filter(is_declined).count() as f64;
    let mut best = BestThreshold { score: sum, threshold: 0.0 };
    for at in order {
        let (question, Some(raw)) = (&questions[at], &raw[at]) else { continue };
        sum += match question.gold.is_empty() {
            false => score(raw),
            true if question.prediction == Some("") => 0.0,
            true => -1.0,
        };
        if sum > best.score {
            best = BestThreshold { score: sum, threshold: question.no_answer_score };
        }
    }
    best.score /= questions.len().max(1) as f64;
    best
}
