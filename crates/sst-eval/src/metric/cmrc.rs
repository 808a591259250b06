//! Extractive question answering in Chinese as CMRC 2018 scores it (Cui et al. 2019, "A Span-Extraction Dataset for
//! Chinese Machine Reading Comprehension", section 4), with the figures of the sixth version of the script
//! `cmrc2018_evaluate.py`, from 0 to 1 instead of 0 to 100.

use super::answers::{AnswerScores, AnsweredQuestion, QuestionScores, best, f1};
use super::python_text::is_space;
use super::treebank::word_tokenize;

/// The marks that are not compared. The script lists the ellipsis as two characters, which no single one equals, so that
/// an ellipsis is compared.
const MARKS: &str = "-:_*^/\\~`+=，。：？！“”；’《》·、「」（）－～『』";

/// The parts in which answers are compared: each Chinese character (U+4E00 to U+9FA5) by itself, and what stands between
/// them as English words, in small letters and without punctuation marks of Chinese and some of ASCII.
pub fn mixed_segmentation(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut between = String::new();
    for c in without_marks(text).chars() {
        if ('\u{4e00}'..='\u{9fa5}').contains(&c) {
            parts.extend(word_tokenize(&std::mem::take(&mut between)));
            parts.push(c.to_string());
        } else {
            between.push(c);
        }
    }
    parts.extend(word_tokenize(&between));
    parts
}

/// The text in small letters, without white space around it and without punctuation marks of Chinese and some of ASCII.
fn without_marks(text: &str) -> String {
    let lower = text.to_lowercase();
    lower.trim_matches(is_space).chars().filter(|c| !MARKS.contains(*c)).collect()
}

/// The scores of a prediction, the best over the gold answers. It is exact if both are the same without marks, and F1
/// counts the longest run of parts that both have (the script's name for it is "longest common subsequence").
pub fn cmrc_answer(prediction: &str, gold: &[&str]) -> AnswerScores {
    let (text, parts) = (without_marks(prediction), mixed_segmentation(prediction));
    best(gold.iter().map(|gold| {
        let gold_parts = mixed_segmentation(gold);
        let shared = longest_common_run(&parts, &gold_parts);
        AnswerScores {
            exact: f64::from(text == without_marks(gold)),
            f1: f1(shared, parts.len(), gold_parts.len()),
        }
    }))
}

/// The mean scores of questions. A question without a prediction scores 0. `no_answer_score` is not used.
pub fn cmrc(questions: &[AnsweredQuestion<'_>]) -> QuestionScores {
    QuestionScores::mean(questions.iter().map(|question| {
        question.prediction.map(|prediction| cmrc_answer(prediction, question.gold))
    }))
}

/// The length of the longest list of neighbours that both lists hold.
fn longest_common_run(a: &[String], b: &[String]) -> usize {
    let mut longest = 0;
    // The length of the run that ends before each part of `b`, and the current part of `a`.
    let mut lengths = vec![0; b.len() + 1];
    for part in a {
        for at in (0..b.len()).rev() {
            lengths[at + 1] = if *part == b[at] { lengths[at] + 1 } else { 0 };
            longest = longest.max(lengths[at + 1]);
        }
    }
    longest
}
