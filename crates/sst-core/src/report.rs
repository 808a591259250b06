//! The result of an evaluation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Figures by name, such as `loss` or `mask_accuracy`; sorted, so that reports are stable.
pub type Metrics = BTreeMap<String, f64>;

/// How much was measured, by name, such as `rows` or `tokens`.
pub type Counts = BTreeMap<String, u64>;

/// Figures of several things of one kind, such as the classes of a classifier.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// The names of the columns.
    pub columns: Vec<String>,
    /// The name of each row, and a figure for each column.
    pub rows: Vec<(String, Vec<f64>)>,
}

impl Table {
    /// A table with these columns and no row.
    pub fn new(columns: &[&str]) -> Self {
        Self { columns: columns.iter().map(|name| (*name).to_owned()).collect(), rows: Vec::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, name: &str, figures: Vec<f64>) {
        self.rows.push((name.to_owned(), figures));
    }
}

/// The figures of one evaluation, and how much data they were measured on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The name of the evaluator, or of the objective whose loss was measured.
    pub name: String,
    /// The figures.
    pub metrics: Metrics,
    /// How much was measured.
    pub counts: Counts,
    /// The settings that decide what a figure means, where there are several definitions of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Tables by name, such as the figures of each class, or the confusion matrix.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tables: BTreeMap<String, Table>,
    /// For figures that are the ratio of two sums over the examples of the data, such as an accuracy or an F1 of
    /// entities: the terms of each example, in the order of the data. They make it possible to compare two models on the
    /// same examples. They are not part of the JSON.
    #[serde(skip)]
    pub examples: BTreeMap<String, Vec<Terms>>,
}

/// What one example adds to the two sums whose ratio is a figure: to the sum above the line, and to the one below it.
/// For an accuracy these are 1 or 0, and 1.
pub type Terms = (f64, f64);

impl Report {
    /// A report of evaluator `name` with these figures and counts, and no settings.
    pub fn new<'a>(
        name: &str,
        metrics: impl IntoIterator<Item = (&'a str, f64)>,
        counts: impl IntoIterator<Item = (&'a str, u64)>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            metrics: metrics.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
            counts: counts.into_iter().map(|(key, count)| (key.to_owned(), count)).collect(),
            settings: BTreeMap::new(),
            tables: BTreeMap::new(),
            examples: BTreeMap::new(),
        }
    }

    /// Adds the setting `name` with its value.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Adds the table `name`.
    #[must_use]
    pub fn with_table(mut self, name: &str, table: Table) -> Self {
        self.tables.insert(name.to_owned(), table);
        self
    }

    /// Adds the terms of each example for the figure `name`. See [`Report::examples`].
    #[must_use]
    pub fn with_examples(mut self, name: &str, terms: impl IntoIterator<Item = Terms>) -> Self {
        self.examples.insert(name.to_owned(), terms.into_iter().collect());
        self
    }

    /// `{"version": 1, "name": .., "metrics": {..}, "counts": {..}}`, and `"settings": {..}` and `"tables": {..}`
    /// where there are any. A table is `{"columns": [..], "rows": [[name, [..]], ..]}`.
    pub fn to_json(&self) -> Value {
        let Self { name, metrics, counts, settings, tables, examples: _ } = self;
        let mut report =
            json!({ "version": 1, "name": name, "metrics": metrics, "counts": counts });
        if !settings.is_empty() {
            report["settings"] = json!(settings);
        }
        if !tables.is_empty() {
            report["tables"] = json!(tables);
        }
        report
    }
}
