//! The model card: README.md with the YAML header that the Hugging Face hub reads.

use serde_json::{Value, json};
use sst_core::Metrics;

/// The content of a model card. Empty fields are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelCard {
    /// Language codes, such as `en` and `zh`.
    pub language: Vec<String>,
    /// The licence of the weights, if it is known.
    pub license: Option<String>,
    /// Tags besides `sst`.
    pub tags: Vec<String>,
    /// Names of the training data.
    pub datasets: Vec<String>,
    /// The task on the hub: `fill-mask`, `text-generation`, ...
    pub pipeline_tag: Option<String>,
    /// The folder of the base model, if the weights are an adapter. [`crate::HostModel::save`] sets it.
    pub base_model: Option<String>,
    /// Metrics on held-out data.
    pub metrics: Metrics,
    /// The text below the header, as Markdown.
    pub body: String,
}

impl ModelCard {
    /// The whole README.md. The value of each key in the header is written as JSON, which is also YAML and avoids
    /// YAML's quoting rules.
    pub fn render(&self) -> String {
        let mut lines = vec!["---".to_owned()];
        let mut add = |key: &str, value: Value| lines.push(format!("{key}: {value}"));
        if !self.language.is_empty() {
            add("language", json!(self.language));
        }
        if let Some(license) = &self.license {
            add("license", json!(license));
        }
        match &self.base_model {
            None => add("library_name", json!("transformers")),
            Some(base_model) => {
                add("base_model", json!(base_model));
                add("library_name", json!("peft"));
            }
        }
        if let Some(tag) = &self.pipeline_tag {
            add("pipeline_tag", json!(tag));
        }
        let tags: Vec<&str> =
            std::iter::once("sst").chain(self.tags.iter().map(String::as_str)).collect();
        add("tags", json!(tags));
        if !self.datasets.is_empty() {
            add("datasets", json!(self.datasets));
        }
        lines.push("---".to_owned());
        let mut text = lines.join("\n") + "\n\n" + self.body.trim() + "\n";
        if !self.metrics.is_empty() {
            text += "\n## Evaluation\n\n| metric | value |\n| --- | --- |\n";
            for (name, value) in &self.metrics {
                text += &format!("| {name} | {value:.4} |\n");
            }
        }
        text
    }
}
