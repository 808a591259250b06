//! One line of output for each record.

use anyhow::{Result, bail};
use serde_json::Value;
use sst_cli::render;
use sst_data::Example;
use sst_data::read::{DocumentWithFields, DocumentsWithFields};

/// The fields of a prediction that stand for no text.
const OWN: [&str; 4] = ["version", "labels", "entities", "answers"];
/// The fields of a prediction that are texts.
pub(super) const TEXTS: [&str; 4] = ["question", "context", "text", "text_pair"];

/// Writes the predictions, each with the other fields of its record.
pub(super) struct Lines {
    records: Option<DocumentsWithFields>,
    /// The fields of the records that hold their texts.
    text_fields: Vec<String>,
    as_json: bool,
}

impl Lines {
    /// Writes predictions for `records`, whose fields are kept, in the same order. `text_fields` are those of [`TEXTS`].
    pub(super) fn new(
        records: Option<DocumentsWithFields>,
        text_fields: Vec<String>,
        as_json: bool,
    ) -> Self {
        Self { records, text_fields, as_json }
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
        let texts: Vec<&str> =
            TEXTS.into_iter().filter(|text| example.text(text).is_some()).collect();
        let is_printed = |name: &str| {
            let mut used = TEXTS.iter().zip(&self.text_fields);
            used.any(|(text, field)| field == name && texts.contains(text))
        };
        let record_fields = record.iter().flat_map(|record| &record.fields);
        let mut names: Vec<String> = Vec::new();
        for field in record_fields.filter(|field| !field.is_text && !is_printed(&field.name)) {
            // No name may occur twice.
            let mut name = field.name.to_string();
            let is_taken = |name: &String| {
                OWN.contains(&&**name) || texts.contains(&&**name) || names.contains(name)
            };
            while is_taken(&name) {
                name = format!("gold_{name}");
            }
            fields.push(format!("{}:{}", Value::String(name.clone()), field.value()));
            names.push(name);
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
