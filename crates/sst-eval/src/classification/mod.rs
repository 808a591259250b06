//! How well a sequence-classification head predicts the classes of texts, or numbers.

mod multi_label;
mod regression;
mod single_label;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::{Evaluator, HeadKind, Model, Objective, ProblemType, Report};
use sst_data::RowSpec;
use sst_data::records::{Column, ColumnKind};

use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, RecordRows};
use crate::intervals::Intervals;
use crate::predict::{ClassScorer, problem_type};
use crate::record_spec::RecordSpec;

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "classification",
    summary: "how well a classification head predicts the classes of texts, or numbers",
    details: "For one class a text: accuracy, macro_f1, weighted_f1, matthews_correlation and roc_auc (one class against \
              the others), each as in scikit-learn, the loss, and as a baseline commonest_class_accuracy. For any number of \
              classes: subset_accuracy, hamming_loss, micro_f1, macro_f1 and roc_auc. For a regression: mean_squared_error, \
              r_squared, pearson and spearman. X_low and X_high are the 95 % interval of X: Wilson's for shares of texts, and \
              for F1, correlations and errors a bootstrap over texts. The tables have precision, recall and F1 of each class, and the \
              confusion matrix, with a row for each label and a column for each prediction.",
    input: InputKind::Records,
    records: Some(RecordSpec { head: HeadKind::SequenceClassification, rows, labels }),
    needs_objective: false,
    figures: &[
        Figure::higher("accuracy").with_baseline("commonest_class_accuracy"),
        Figure::higher("macro_f1"),
        Figure::higher("weighted_f1"),
        Figure::higher("matthews_correlation"),
        Figure::higher("subset_accuracy"),
        Figure::higher("micro_f1"),
        Figure::lower("hamming_loss"),
        Figure::higher("roc_auc"),
        Figure::lower("mean_squared_error").with_baseline("mean_label_squared_error"),
        Figure::higher("r_squared"),
        Figure::higher("pearson"),
        Figure::higher("spearman"),
        Figure::lower("loss"),
    ],
    default_config: || json!(ClassificationConfig::default()),
    options: &[
        ("batch_size", "Rows in a forward pass. The figures do not depend on it."),
        (
            "pairs",
            "Whether a record has two texts, in the fields text and text_pair: true or false.",
        ),
        ("bootstrap_samples", "Samples of the bootstrap; 0 for no intervals by bootstrap."),
    ],
    build,
};

/// The keys of `classification`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ClassificationConfig {
    batch_size: usize,
    pairs: bool,
    bootstrap_samples: usize,
}

impl Default for ClassificationConfig {
    fn default() -> Self {
        Self { batch_size: 32, pairs: false, bootstrap_samples: 1000 }
    }
}

/// The records for a model with this config.json.
fn rows(model: &Value, config: &Value) -> RowSpec {
    let mut columns = vec![Column::new("text", ColumnKind::Text)];
    let has_pairs = parse::<ClassificationConfig>(ENTRY.name, config).map(|config| config.pairs);
    if has_pairs.unwrap_or(false) {
        let first = "text".to_owned();
        columns.push(Column::new("text_pair", ColumnKind::SecondText { first }));
    }
    columns.push(match problem_of(model) {
        ProblemType::SingleLabel => Column::new("label", ColumnKind::Label),
        ProblemType::MultiLabel => Column::new("labels", ColumnKind::Labels),
        ProblemType::Regression => Column::new("label", ColumnKind::Number),
    });
    RowSpec::records(columns)
}

/// The outputs of a regression are no labels.
fn labels(model: &Value, outputs: &[String]) -> Vec<String> {
    match problem_type(model, outputs.len()) {
        ProblemType::Regression => Vec::new(),
        ProblemType::SingleLabel | ProblemType::MultiLabel => outputs.to_vec(),
    }
}

/// What a model with this config.json predicts, with the number of outputs that transformers takes from it.
fn problem_of(model: &Value) -> ProblemType {
    let named = model.get("id2label").and_then(Value::as_object).map(serde_json::Map::len);
    let counted = || model.get("num_labels").and_then(Value::as_u64).unwrap_or(2) as usize;
    problem_type(model, named.unwrap_or_else(counted))
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(Classification { config, data: input.records(ENTRY.name)? }))
}

struct Classification {
    config: ClassificationConfig,
    data: RecordRows,
}

impl Classification {
    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let scorer = ClassScorer::new(model, self.config.batch_size)?;
        let report = match scorer.problem() {
            ProblemType::SingleLabel => {
                let map = class_of_label(&self.data.labels, scorer.names())?;
                single_label::measure(&scorer, model, &self.data, &map, &self.intervals())
            }
            ProblemType::MultiLabel => {
                let map = class_of_label(&self.data.labels, scorer.names())?;
                multi_label::measure(&scorer, model, &self.data, &map, &self.intervals())
            }
            ProblemType::Regression => {
                regression::measure(&scorer, model, &self.data, &self.intervals())
            }
        };
        Ok(report?.with_setting("problem_type", scorer.problem().name()))
    }

    fn intervals(&self) -> Intervals {
        Intervals::of(self.config.bootstrap_samples)
    }
}

/// The class of the model that each label of the data is.
fn class_of_label(labels: &[String], names: &[String]) -> Result<Vec<i64>, EvalError> {
    let class = |label: &String| match names.iter().position(|name| name == label) {
        Some(class) => Ok(class as i64),
        None => Err(EvalError::UnknownLabel { label: label.clone(), known: names.join(", ") }),
    };
    labels.iter().map(class).collect()
}

impl Evaluator for Classification {
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
