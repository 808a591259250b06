//! What an evaluation found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::Metrics;

/// How much was measured, by name (`rows`, `tokens`).
pub type Counts = BTreeMap<String, u64>;

/// The figures of one evaluation, and how much they rest on.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The evaluator.
    pub name: String,
    /// Its figures.
    pub metrics: Metrics,
    /// How much was measured.
    pub counts: Counts,
    /// How it was measured, where there is more than one way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

impl Report {
    /// A report of `name` with these figures and counts.
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
        }
    }

    /// Adds how it was measured.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: &str) -> Self {
        self.settings.insert(name.to_owned(), value.to_owned());
        self
    }

    /// `{"version": 1, "name": .., "metrics": {..}, "counts": {..}}`, and `"settings": {..}` where there are any.
    pub fn to_json(&self) -> Value {
        let Self { name, metrics, counts, settings } = self;
        let mut report =
            json!({ "version": 1, "name": name, "metrics": metrics, "counts": counts });
        if !settings.is_empty() {
            report["settings"] = json!(settings);
        }
        report
    }
}
