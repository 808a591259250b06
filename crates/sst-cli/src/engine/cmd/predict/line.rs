//! One line of output for each record.

use anyhow::{Result, bail};
use serde_json::Value;
use sst_cli::render;
use sst_data::Example;
use sst_data::read::{DocumentWithFields, DocumentsWithFields};

/// The fields that a prediction has.
const OWN: [&str; 4] = ["version", "labels", "entities", "answers"];

/// Writes the predictions, each with the other fields of its record.
pub(super) struct Lines {
    records: Option<DocumentsWithFields>,
    as_json: bool,
}

impl Lines {
    /// Writes predictions for `records`, whose fields are kept, in the same order.
    pub(super) fn new(records: Option<DocumentsWithFields>, as_json: bool) -> Self {
        Self { records, as_json }
    }

    /// Writes the predictions for a record.
    ///
    /// # Errors
    /// If stdout cannot be written to, or the file has changed since it was read.
    pub(super) fn write(
        &mut self,
        example: &Example,
        name: &str,
        predictions: Vec<Value>,
    ) -> Result<()> {
        let record = self.record(example)?;
        if !self.as_json {
            return Ok(render::line(&describe(example, &predictions))?);
        }
        let mut fields: Vec<String> = Vec::new();
        let texts = ["question", "context", "text", "text_pair"];
        for field in record.iter().flat_map(|record| &record.fields) {
            let is_text = field.is_text || texts.contains(&&*field.name);
            if is_text && example.text(&field.name).is_some() {
                continue;
            }
            let gold = if OWN.contains(&&*field.name) { "gold_" } else { "" };
            let key = Value::String(format!("{gold}{}", field.name));
            if !field.value().is_empty() {
                fields.push(format!("{key}:{}", field.value()));
            }
        }
        fields.insert(0, "\"version\":1".to_owned());
        for text in texts {
            if let Some(content) = example.text(text) {
                let content = Value::String(content.to_owned());
                fields.push(format!("\"{text}\":{content}"));
            }
        }
        fields.push(format!("\"{name}\":{}", Value::Array(predictions)));
        Ok(render::line(&format!("{{{}}}", fields.join(",")))?)
    }

    /// The record that `example` was made of. Records that were skipped are passed over.
    fn record(&mut self, example: &Example) -> Result<Option<DocumentWithFields>> {
        let Some(records) = &mut self.records else { return Ok(None) };
        // A record that cannot be read was skipped, or the command would have ended.
        for record in records.by_ref().filter_map(Result::ok) {
            if record.example.key == example.key {
                return Ok(Some(record));
            }
        }
        bail!("{} has changed while it was read: try again", example.key)
    }
}

/// The predictions for reading: the text, and a line for each.
fn describe(example: &Example, predictions: &[Value]) -> String {
    let text = ["question", "text"].into_iter().find_map(|name| example.text(name));
    let rows = predictions.iter().map(|prediction| {
        let get = |name: &str| prediction.get(name);
        let score = get("score").and_then(Value::as_f64).unwrap_or_default();
        let mut row = vec![format!("  {score:.4}")];
        row.extend(get("label").and_then(Value::as_str).map(str::to_owned));
        row.extend(get("text").and_then(Value::as_str).map(|text| match text {
            "" => "(no answer)".to_owned(),
            text => text.to_owned(),
        }));
        row.extend(
            get("start")
                .and_then(Value::as_u64)
                .zip(get("end").and_then(Value::as_u64))
                .map(|(start, end)| format!("characters {start} to {end}")),
        );
        row
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let nothing = if rows.is_empty() { "\n  (none)" } else { "" };
    format!("{}{nothing}\n{}", render::cell(text.unwrap_or_default()), render::table(&rows))
}
