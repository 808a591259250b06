//! `sst data clean`.

use anyhow::Result;
use serde_json::{Map, Value, json};
use sst_data::clean::{CleanConfig, Cleaner};
use sst_data::{Example, Field, Ledger};

use super::source::source;
use crate::args::CleanArgs;
use crate::exit::{Exit, Usage};
use crate::render;

/// Writes the cleaned documents to stdout, one JSON object a line, with their other fields.
///
/// # Errors
/// If a document cannot be read or stdout cannot be written to.
pub fn run(args: &CleanArgs) -> Result<Exit> {
    let config = CleanConfig {
        nfkc: args.nfkc,
        control: !args.keep_control,
        whitespace: !args.keep_whitespace,
        min_length: args.min_length,
        max_length: args.max_length,
        dedup: args.dedup,
    };
    config.check().map_err(|error| Usage(error.to_string()))?;
    let ledger = Ledger::new();
    let mut cleaner = Cleaner::new(config, ledger.clone());
    for example in source(&args.paths, &args.documents)?.read(&ledger)? {
        let example = example?;
        if let Some(text) = cleaner.clean(&example.key, example.text("text").unwrap_or_default()) {
            render::json(&object(&example, text))?;
        }
    }
    render::ledger(&ledger.entries());
    Ok(Exit::Done)
}

fn object(example: &Example, text: String) -> Value {
    let mut object = Map::new();
    object.insert("text".to_owned(), json!(text));
    object.extend(other_fields(example));
    Value::Object(object)
}

/// What a document has besides its text.
pub(super) fn other_fields(example: &Example) -> impl Iterator<Item = (String, Value)> {
    example.fields.iter().filter(|(name, _)| &***name != "text").map(|(name, field)| {
        let value = match field {
            Field::Text(text) => json!(text),
            Field::Tokens(ids) => json!(ids),
            Field::Int(number) => json!(number),
            Field::Float(number) => json!(number),
        };
        (name.to_string(), value)
    })
}
