//! `sst data clean`.

use anyhow::Result;
use serde_json::json;
use sst_data::Ledger;
use sst_data::clean::{CleanConfig, CleanConfigError, Cleaner};
use sst_data::read::DocumentWithFields;

use super::source::source;
use crate::args::CleanArgs;
use crate::exit::{Exit, Usage};
use crate::{flags, render};

/// Writes the cleaned documents to stdout, one JSON object per line. Their other fields are unchanged.
///
/// # Errors
/// If a document cannot be read or stdout cannot be written to.
pub fn run(args: &CleanArgs) -> Result<Exit> {
    let config = CleanConfig {
        nfc: args.nfc,
        nfkc: args.nfkc,
        control: !args.keep_control,
        whitespace: !args.keep_whitespace,
        min_length: args.min_length,
        max_length: args.max_length,
        dedup: args.dedup,
    };
    config.check().map_err(|error| {
        let keys = match error {
            CleanConfigError::Lengths { .. } => ["min_length", "max_length"],
            CleanConfigError::TwoForms => ["nfc", "nfkc"],
        };
        Usage(format!("{error}{}", flags::of_keys(&keys)))
    })?;
    let ledger = Ledger::new();
    let mut cleaner = Cleaner::new(config, ledger.clone());
    for document in source(&args.paths, &args.documents)?.read_all_fields(&ledger)? {
        let document = document?;
        let example = &document.example;
        if let Some(text) = cleaner.clean(&example.key, example.text("text").unwrap_or_default()) {
            render::line(&line(&document, &text, &ledger))?;
        }
    }
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}

/// Formats an output line: the fields in the order of the file, with the cleaned text as `text`.
fn line(document: &DocumentWithFields, text: &str, ledger: &Ledger) -> String {
    let text = format!("\"text\":{}", json!(text));
    let mut parts: Vec<&str> = Vec::new();
    for field in &document.fields {
        match &*field.name {
            _ if field.is_text => parts.push(&text),
            // A second field is called `text`; the cleaned text replaces it.
            "text" => ledger.add("clean.field_replaced", 1, Some(&document.example.key)),
            _ => parts.push(&field.json),
        }
    }
    format!("{{{}}}", parts.join(","))
}
