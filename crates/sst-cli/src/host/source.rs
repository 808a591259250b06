//! Builds a source of documents from the arguments.

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sst_data::read::{OnError, Source};

use crate::args::DocumentArgs;
use crate::exit::Usage;

/// Builds the source that the arguments describe.
///
/// # Errors
/// If the format is unknown.
pub fn source(paths: &[String], args: &DocumentArgs) -> Result<Source> {
    let format = args.format.as_deref().map(|name| named("--format", name)).transpose()?;
    let on_error = if args.skip_errors { OnError::Skip } else { OnError::Fail };
    Ok(Source {
        paths: paths.to_vec(),
        format,
        text_field: args.text_field.clone(),
        on_error,
        ..Source::default()
    })
}

/// Parses a setting that is one of a fixed list of words, spelled as in a recipe.
///
/// # Errors
/// If `word` is not in the list; the message shows the list.
pub fn named<T: DeserializeOwned>(option: &str, word: &str) -> Result<T> {
    let parsed = serde_json::from_value(Value::String(word.to_owned()));
    parsed.map_err(|error: serde_json::Error| {
        let error = error.to_string();
        let message = match error.split_once(", expected ") {
            Some((_, known)) => format!("{option} is `{word}`; expected {known}"),
            None => format!("{option}: {error}"),
        };
        Usage(message).into()
    })
}
