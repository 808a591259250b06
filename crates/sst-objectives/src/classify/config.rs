//! The configuration of `classify`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sst_data::RowSpec;
use sst_data::records::{Column, ColumnKind};

use super::{LABEL, LABELS};
use crate::entry::IdleKey;
use crate::error::ObjectiveError;
use crate::parse::check_rate;

/// What is predicted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    /// Exactly one class, from the field `label`.
    #[default]
    SingleLabel,
    /// Any number of classes, from the list in the field `labels`.
    MultiLabel,
    /// A number, from the field `label`.
    Regression,
}

/// The configuration of `classify`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClassifyConfig {
    /// What is predicted.
    pub problem: Problem,
    /// Whether a record has two texts, in the fields `text` and `text_pair`, which share one sequence.
    pub pairs: bool,
    /// The fraction of the target that is spread evenly over all classes (Szegedy et al. 2016, "Rethinking the Inception
    /// Architecture", section 7), as in PyTorch's `CrossEntropyLoss(label_smoothing=...)`. It also applies to the
    /// held-out loss.
    pub label_smoothing: f64,
    /// The weight of the loss of each class, by its label; 1 for a class that is not named. With one class a text, they
    /// are the weights of PyTorch's `CrossEntropyLoss(weight=...)`, and with any number the `pos_weight` of
    /// `BCEWithLogitsLoss`. The loss is divided by the number of texts, not by the sum of their weights.
    pub class_weights: BTreeMap<String, f64>,
}

impl ClassifyConfig {
    /// The columns of the records.
    pub(super) fn rows(&self) -> RowSpec {
        let mut columns = vec![Column::new("text", ColumnKind::Text)];
        if self.pairs {
            let first = "text".to_owned();
            columns.push(Column::new("text_pair", ColumnKind::SecondText { first }));
        }
        columns.push(match self.problem {
            Problem::SingleLabel => Column::new(LABEL, ColumnKind::Label),
            Problem::MultiLabel => Column::new(LABELS, ColumnKind::Labels),
            Problem::Regression => Column::new(LABEL, ColumnKind::Number),
        });
        RowSpec::records(columns)
    }

    /// Checks the values that serde cannot check.
    pub(super) fn check(&self) -> Result<(), ObjectiveError> {
        check_rate("label_smoothing", self.label_smoothing)?;
        let refuse = |path: &str, message: String| {
            Err(ObjectiveError::Config { path: path.to_owned(), message })
        };
        let is_bad = |weight: &f64| !(weight.is_finite() && *weight > 0.0);
        if let Some((label, weight)) = self.class_weights.iter().find(|(_, weight)| is_bad(weight))
        {
            let path = format!("class_weights.{label}");
            return refuse(&path, format!("is {weight} and must be above 0"));
        }
        if self.problem != Problem::SingleLabel && self.label_smoothing != 0.0 {
            let message = "applies only to problem = \"single_label\"".to_owned();
            return refuse("label_smoothing", message);
        }
        if self.problem == Problem::Regression && !self.class_weights.is_empty() {
            return refuse("class_weights", "has no classes in a regression".to_owned());
        }
        Ok(())
    }

    /// The weight of each of `labels`; `None` if all are 1.
    pub(super) fn weights(&self, labels: &[String]) -> Result<Option<Vec<f32>>, ObjectiveError> {
        if self.class_weights.is_empty() {
            return Ok(None);
        }
        let unknown = self.class_weights.keys().find(|label| !labels.contains(*label));
        if let Some(label) = unknown.filter(|_| !labels.is_empty()) {
            let (path, known) = (format!("class_weights.{label}"), labels.join(", "));
            let message = format!("is the weight of a label that there is not; there are {known}");
            return Err(ObjectiveError::Config { path, message });
        }
        let weight = |label: &String| self.class_weights.get(label).copied().unwrap_or(1.0) as f32;
        Ok(Some(labels.iter().map(weight).collect()))
    }
}

/// The keys that have no effect.
pub(super) fn idle_keys(config: &serde_json::Value) -> Vec<IdleKey> {
    let Ok(config) = serde_json::from_value::<ClassifyConfig>(config.clone()) else {
        return Vec::new();
    };
    match config.problem {
        Problem::SingleLabel => Vec::new(),
        Problem::MultiLabel | Problem::Regression => {
            vec![("label_smoothing", "applies only to problem = \"single_label\"")]
        }
    }
}
