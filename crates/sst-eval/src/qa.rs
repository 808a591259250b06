//! How well a span head finds the answers to questions.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, HeadKind, Model, Objective, Report};
use sst_data::RowSpec;
use sst_data::records::{Column, ColumnKind, Stride, WindowSpec};
use sst_data::words::is_cjk;

use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, RecordRows};
use crate::intervals::Intervals;
use crate::metric::{
    AnswerScores, AnswerSearch, AnsweredQuestion, cmrc_answer, squad_v1_answer, squad_v2,
    squad_v2_answer,
};
use crate::predict::{AnswerFinder, Answered, characters};
use crate::record_spec::RecordSpec;

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "qa",
    summary: "how well a span head finds the answers to questions",
    details: "Reports exact_match and f1 as the official scripts do: that of SQuAD 1.1 or 2.0 for English (lower case, \
              without articles and punctuation, by words), that of CMRC 2018 for Chinese (by characters). With rule = auto \
              the rule is cmrc if most gold answers are Chinese, squad_v2 if a question has no answer, and squad_v1 \
              otherwise; the report names it. Where questions have no answer, a question is answered unless the score of no answer is \
              greater than that of the best answer by more than null_threshold, and best_exact and best_f1 are those of \
              the best threshold on this data. A question that cannot be read counts as wrong, and as questions_not_read. exact_match_low and so on are 95 % intervals by a bootstrap over questions.",
    input: InputKind::Records,
    records: Some(RecordSpec { head: HeadKind::Span, rows, labels: |_, _| Vec::new() }),
    needs_objective: false,
    figures: &[Figure::higher("f1"), Figure::higher("exact_match")],
    default_config: || json!(QaConfig::default()),
    options: &[
        ("batch_size", "Windows in a forward pass. The figures do not depend on it."),
        (
            "stride",
            "Tokens that two windows of a long text share; auto for a quarter of the longest row.",
        ),
        ("rule", "How answers are compared: auto, squad_v1, squad_v2 or cmrc."),
        ("n_best", "Start and end tokens that are tried in each window."),
        ("max_answer_length", "The most tokens of an answer."),
        (
            "null_threshold",
            "For squad_v2: how much greater the score of no answer must be than that of the best answer.",
        ),
        ("bootstrap_samples", "Samples of the bootstrap; 0 for no intervals."),
    ],
    build,
};

/// How answers are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rule {
    #[default]
    Auto,
    SquadV1,
    SquadV2,
    Cmrc,
}

impl Rule {
    fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::SquadV1 => "squad_v1",
            Self::SquadV2 => "squad_v2",
            Self::Cmrc => "cmrc",
        }
    }
}

/// The keys of `qa`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct QaConfig {
    batch_size: usize,
    stride: Stride,
    rule: Rule,
    n_best: usize,
    max_answer_length: usize,
    null_threshold: f32,
    bootstrap_samples: usize,
}

impl Default for QaConfig {
    fn default() -> Self {
        let AnswerSearch { n_best_size, max_answer_length, .. } = AnswerSearch::default();
        Self {
            batch_size: 16,
            stride: Stride::Auto,
            rule: Rule::Auto,
            n_best: n_best_size,
            max_answer_length,
            null_threshold: 0.0,
            bootstrap_samples: 1000,
        }
    }
}

fn rows(_model: &Value, config: &Value) -> RowSpec {
    let stride = parse::<QaConfig>(ENTRY.name, config).map(|config| config.stride);
    let stride = stride.unwrap_or_default();
    let (question, context) = ("question".to_owned(), "context".to_owned());
    RowSpec::Records {
        columns: vec![
            Column::new(&question, ColumnKind::Text),
            Column::new(&context, ColumnKind::SecondText { first: question }),
            Column::new("answers", ColumnKind::Spans { text: context.clone() }),
        ],
        window: Some(WindowSpec { text: context, stride }),
    }
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(Qa { config, data: input.records(ENTRY.name)? }))
}

struct Qa {
    config: QaConfig,
    data: RecordRows,
}

/// A question with its gold answers and what was found.
struct Question {
    gold: Vec<String>,
    answer: String,
    /// The score of no answer without that of the best answer.
    null_score: f64,
    /// The best answer, whatever the score of no answer.
    best: String,
    /// Whether the model has read the question.
    is_read: bool,
}

impl Qa {
    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let config = &self.config;
        let Gold { answers: gold, missing } = self.gold_answers()?;
        let rule = match config.rule {
            Rule::Auto => choose(gold.iter().chain(&missing)),
            given => given,
        };
        let may_decline = gold.iter().chain(&missing).any(Vec::is_empty);
        let threshold = (rule == Rule::SquadV2 || may_decline).then_some(config.null_threshold);
        let search = AnswerSearch {
            n_best_size: config.n_best,
            max_answer_length: config.max_answer_length,
            null_score_diff_threshold: threshold,
        };
        let finder = AnswerFinder::new(search, config.batch_size);
        let (mut questions, mut windows) = (Vec::new(), 0);
        let mut golds = gold.into_iter();
        finder.for_each(model, &*self.data.rows, &mut |answered| {
            windows += answered.windows as u64;
            let gold = golds.next().unwrap_or_default();
            questions.push(Question::new(&answered, gold)?);
            Ok(())
        })?;
        if questions.is_empty() {
            return Err(EvalError::Nothing(ENTRY.name.to_owned()));
        }
        let num_missing = missing.len() as u64;
        questions.extend(missing.into_iter().map(Question::unanswered));
        let scores: Vec<AnswerScores> = questions.iter().map(|one| one.scores(rule)).collect();
        let intervals = Intervals::of(config.bootstrap_samples);
        let mut metrics = Vec::new();
        let mean = |sample: &[usize], score: &dyn Fn(&AnswerScores) -> f64| {
            Some(sample.iter().map(|at| score(&scores[*at])).sum::<f64>() / sample.len() as f64)
        };
        let rows = scores.len();
        intervals.add(&mut metrics, "exact_match", rows, |s| mean(s, &|one| one.exact))?;
        intervals.add(&mut metrics, "f1", rows, |s| mean(s, &|one| one.f1))?;
        if rule == Rule::SquadV2 {
            metrics.extend(two_kinds(&questions)?);
        }
        let without = questions.iter().filter(|one| one.gold.is_empty()).count();
        let read = questions.iter().filter(|one| one.is_read);
        let unanswered = read.filter(|one| one.answer.is_empty()).count();
        let counts = [
            ("questions", rows as u64),
            ("windows", windows),
            ("questions_without_answer", without as u64),
            ("predicted_no_answer", unanswered as u64),
            ("questions_not_read", num_missing),
        ];
        let metrics = metrics.iter().map(|(name, value)| (&**name, *value));
        Ok(Report::new(ENTRY.name, metrics, counts)
            .with_setting("rule", rule.name())
            .with_examples("exact_match", scores.iter().map(|one| (one.exact, 1.0)))
            .with_examples("f1", scores.iter().map(|one| (one.f1, 1.0))))
    }

    /// The gold answers of each question.
    fn gold_answers(&self) -> Result<Gold, EvalError> {
        let mut answers: Vec<Vec<String>> = Vec::new();
        let mut missing = self.data.gold_answers.clone();
        let mut last = None;
        for index in 0..self.data.rows.len() {
            let example = self.data.rows.get(index, 0)?;
            let no_field = |field: &str| EvalError::MissingField {
                key: example.key.clone(),
                field: field.to_owned(),
            };
            let record = example.int("record").ok_or_else(|| no_field("record"))?;
            if last.replace(record) == Some(record) {
                continue;
            }
            if let Some(given) = missing.remove(&example.key) {
                answers.push(given);
                continue;
            }
            let context = example.text("context").ok_or_else(|| no_field("context"))?;
            let spans = example.spans("answers.characters").ok_or_else(|| no_field("answers"))?;
            let text = |span: &sst_data::Span| characters(context, (span.start, span.end));
            answers.push(spans.iter().map(text).collect());
        }
        Ok(Gold { answers, missing: missing.into_values().collect() })
    }
}

/// The gold answers of questions.
struct Gold {
    /// Of those that have rows, in the order of the rows.
    answers: Vec<Vec<String>>,
    /// Of those without a row, such as a question that leaves no room for its text. They count as wrong, as in the official
    /// scripts.
    missing: Vec<Vec<String>>,
}

impl Question {
    fn new(answered: &Answered, gold: Vec<String>) -> Result<Self, EvalError> {
        let context = answered.example.text("context").ok_or_else(|| EvalError::MissingField {
            key: answered.key.clone(),
            field: "context".to_owned(),
        })?;
        let text =
            |span: Option<(usize, usize)>| span.map_or(String::new(), |s| characters(context, s));
        let found = &answered.found;
        let best = found.candidates.iter().find_map(|candidate| candidate.span);
        let null_score = f64::from(found.null_score_diff.unwrap_or(0.0));
        Ok(Self { gold, answer: text(found.span), null_score, best: text(best), is_read: true })
    }

    /// A question that the model has not read.
    fn unanswered(gold: Vec<String>) -> Self {
        let (answer, best) = (String::new(), String::new());
        Self { gold, answer, null_score: 0.0, best, is_read: false }
    }

    fn scores(&self, rule: Rule) -> AnswerScores {
        if !self.is_read {
            return AnswerScores { exact: 0.0, f1: 0.0 };
        }
        let gold: Vec<&str> = self.gold.iter().map(String::as_str).collect();
        match rule {
            // The script knows no questions without an answer; they are scored as in SQuAD 2.0.
            Rule::Cmrc if gold.is_empty() => {
                let score = f64::from(u8::from(self.answer.is_empty()));
                AnswerScores { exact: score, f1: score }
            }
            Rule::Cmrc => cmrc_answer(&self.answer, &gold),
            Rule::SquadV2 => squad_v2_answer(&self.answer, &gold),
            Rule::SquadV1 | Rule::Auto => squad_v1_answer(&self.answer, &gold),
        }
    }
}

/// The figures that SQuAD 2.0 has beside the means.
fn two_kinds(questions: &[Question]) -> Result<Vec<(String, f64)>, EvalError> {
    let gold: Vec<Vec<&str>> =
        questions.iter().map(|one| one.gold.iter().map(String::as_str).collect()).collect();
    let with = |prediction: &dyn Fn(&Question) -> String| {
        questions.iter().map(prediction).collect::<Vec<_>>()
    };
    let (answers, best) = (with(&|one| one.answer.clone()), with(&|one| one.best.clone()));
    let answered = |predictions: &[String]| -> Result<_, EvalError> {
        let rows = questions.iter().zip(&gold).zip(predictions);
        let rows: Vec<AnsweredQuestion<'_>> = rows
            .map(|((one, gold), prediction)| AnsweredQuestion {
                gold,
                prediction: one.is_read.then_some(prediction),
                no_answer_score: one.null_score,
            })
            .collect();
        Ok(squad_v2(&rows, f64::MAX)?)
    };
    let (decided, open) = (answered(&answers)?, answered(&best)?);
    let mut metrics = Vec::new();
    for (name, scores) in [("has_answer", &decided.has_answer), ("no_answer", &decided.no_answer)] {
        if scores.total > 0 {
            metrics.push((format!("{name}_exact_match"), scores.scores.exact));
            metrics.push((format!("{name}_f1"), scores.scores.f1));
        }
    }
    metrics.push(("best_exact".to_owned(), open.best_exact.score));
    metrics.push(("best_exact_threshold".to_owned(), open.best_exact.threshold));
    metrics.push(("best_f1".to_owned(), open.best_f1.score));
    metrics.push(("best_f1_threshold".to_owned(), open.best_f1.threshold));
    Ok(metrics)
}

/// The rule for questions with these answers.
fn choose<'g>(gold: impl Iterator<Item = &'g Vec<String>> + Clone) -> Rule {
    let answers = || gold.clone().flatten();
    let chinese = answers().filter(|answer| answer.chars().any(is_cjk)).count();
    if 2 * chinese > answers().count() {
        Rule::Cmrc
    } else if gold.clone().any(Vec::is_empty) {
        Rule::SquadV2
    } else {
        Rule::SquadV1
    }
}

impl Evaluator for Qa {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn evaluate(
        &mut self,
        model: &dyn Model,
        _objective: Option<&dyn Objective>,
    ) -> sst_core::Result<Report> {
        Ok(self.measure(model)?)
    }
}
