//! From arguments to a source of documents.

use anyhow::Result;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sst_data::Ledger;
use sst_data::read::{OnError, Source};

use crate::args::DocumentArgs;
use crate::exit::Usage;

/// The source that the arguments describe.
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

/// The value of a setting that is one of a few words, as a recipe spells them.
///
/// # Errors
/// If it is none of them; the message lists them.
pub fn named<T: DeserializeOwned>(option: &str, word: &str) -> Result<T> {
    let parsed = serde_json::from_value(Value::String(word.to_owned()));
    parsed.map_err(|error| Usage(format!("{option}: {error}")).into())
}

/// The texts of a source, those of pairs one after the other. The first error ends them and is left in `failed`.
pub fn texts<'a>(
    source: &Source,
    ledger: &Ledger,
    failed: &'a mut Option<sst_data::read::ReadError>,
) -> Result<impl Iterator<Item = String> + Send + use<'a>> {
    let documents = source.read(ledger)?;
    let fields: Vec<String> =
        std::iter::once("text".to_owned()).chain(source.pair_fields.clone()).collect();
    let texts = documents.map_while(move |example| match example {
        Ok(example) => {
            let text = |field: &String| example.text(field).unwrap_or_default().to_owned();
            Some(fields.iter().map(text).collect::<Vec<_>>())
        }
        Err(error) => {
            *failed = Some(error);
            None
        }
    });
    Ok(texts.flatten())
}
