//! `sst eval` with evaluators of pairs of texts, such as retrieval and sts; and the pairs that `sst mine` reads.

use std::collections::{HashMap, HashSet};

use anyhow::{Result, anyhow};
use serde_json::{Map, Value};
use sst_cli::args::{DocumentArgs, PairArgs};
use sst_cli::exit::Usage;
use sst_cli::host::source::source;
use sst_data::read::{RawField, ReadError, Source};
use sst_data::{Example, Field, Key, Ledger};
use sst_eval::{Entry, Input, ScoredPairs};

use super::measure::{Measured, Setting};
use super::vectors::{Prompts, TextEncoder};

/// Queries, a corpus of documents, and which documents are relevant for each query.
#[derive(Default)]
pub(super) struct Pairs {
    /// The distinct queries.
    pub(super) queries: Vec<String>,
    /// The distinct documents.
    pub(super) corpus: Vec<String>,
    /// For each query, the indices of its relevant documents in `corpus`, in the order of the records.
    pub(super) relevant: Vec<Vec<usize>>,
}

impl Pairs {
    /// Reads records of a query and its answer. A text that occurs several times is stored once; all answers that
    /// stand beside the same query are relevant for it.
    ///
    /// # Errors
    /// If a record cannot be read or lacks a field.
    pub(super) fn read(args: &PairArgs, ledger: &Ledger) -> Result<Self> {
        let [query, answer] = fields(args)?;
        let (mut query_indices, mut corpus_indices) = (HashMap::new(), HashMap::new());
        let mut pairs = Self::default();
        let (first, source) = records(args, [query, answer])?;
        for example in source.read(ledger).map_err(of_fields)? {
            let example = example.map_err(of_fields)?;
            let text = field(&source, &example, first, query)?;
            let found = field(&source, &example, answer, answer)?;
            let document = place(&mut corpus_indices, &mut pairs.corpus, found);
            let query_index = place(&mut query_indices, &mut pairs.queries, text);
            pairs.relevant.resize(pairs.queries.len(), Vec::new());
            if !pairs.relevant[query_index].contains(&document) {
                pairs.relevant[query_index].push(document);
            }
        }
        Ok(pairs)
    }
}

/// Returns the index of `text` in `texts`, and appends the text if it is new.
pub(super) fn place(
    places: &mut HashMap<String, usize>,
    texts: &mut Vec<String>,
    text: &str,
) -> usize {
    if let Some(place) = places.get(text) {
        return *place;
    }
    texts.push(text.to_owned());
    places.insert(text.to_owned(), texts.len() - 1);
    texts.len() - 1
}

/// Measures a model with an evaluator of queries and a corpus.
///
/// # Errors
/// If model or data cannot be read, or there is no pair.
pub(super) fn pairs(
    entry: &Entry,
    args: &PairArgs,
    settings: Vec<Setting<'_>>,
) -> Result<Measured> {
    let ledger = Ledger::new();
    let Pairs { queries, corpus, relevant } = Pairs::read(args, &ledger)?;
    let relevant: Vec<HashSet<usize>> =
        relevant.into_iter().map(|places| places.into_iter().collect()).collect();
    let encoder = TextEncoder::of_pairs(args, Prompts::Search, &ledger)?;
    let (report, told) = encoder.measure(entry, settings, |vectors| {
        Input::Pairs(sst_eval::Pairs { vectors, queries, corpus, relevant })
    })?;
    Ok(Measured { report, ledger, told, as_json: args.json })
}

/// Measures a model with an evaluator of pairs and scores.
///
/// # Errors
/// If model or data cannot be read, a score is none, or there is nothing to correlate.
pub(super) fn scored_pairs(
    entry: &Entry,
    args: &PairArgs,
    settings: Vec<Setting<'_>>,
) -> Result<Measured> {
    let [left, right, score] = fields(args)?;
    let ledger = Ledger::new();
    let mut texts: [Vec<String>; 2] = Default::default();
    let mut scores = Vec::new();
    let (called, source) = records(args, [left, right, score])?;
    for example in source.read(&ledger).map_err(of_fields)? {
        let example = example.map_err(of_fields)?;
        texts[0].push(field(&source, &example, called, left)?.to_owned());
        texts[1].push(field(&source, &example, right, right)?.to_owned());
        scores.push(number(&source, &example, score)?);
    }
    let encoder = TextEncoder::of_pairs(args, Prompts::Default, &ledger)?;
    let [first, second] = texts;
    let (report, told) = encoder.measure(entry, settings, |vectors| {
        Input::ScoredPairs(ScoredPairs { vectors, first, second, scores })
    })?;
    Ok(Measured { report, ledger, told, as_json: args.json })
}

fn fields<const N: usize>(args: &PairArgs) -> Result<[&str; N]> {
    let names: Vec<&str> = args.fields.iter().map(String::as_str).collect();
    let twice = names.iter().enumerate().find(|(place, name)| names[..*place].contains(name));
    if let Some((_, name)) = twice {
        let message = format!("--fields names `{name}` twice: name {N} different fields");
        return Err(Usage(message).into());
    }
    names.try_into().map_err(|names: Vec<&str>| {
        let message = format!("--fields names {} fields, and {N} are needed", names.len());
        Usage(message).into()
    })
}

/// Returns the source of the records with the fields `names`, and the name that the first field has in an `Example`.
/// An example always has a field `text`, so the first field is read as `text` unless another field has that name.
fn records<'n, const N: usize>(args: &PairArgs, names: [&'n str; N]) -> Result<(&'n str, Source)> {
    let (first, text_field) = match names.contains(&"text") {
        true => (names[0], "text"),
        false => ("text", names[0]),
    };
    let documents = DocumentArgs {
        format: args.format.clone(),
        text_field: text_field.to_owned(),
        skip_errors: false,
    };
    let others = names.into_iter().filter(|name| *name != text_field);
    let source = Source {
        other_fields: others.map(str::to_owned).collect(),
        ..source(&args.data, &documents)?
    };
    Ok((first, source))
}

/// The error of records whose fields `--fields` names.
fn of_fields(error: ReadError) -> anyhow::Error {
    match error {
        ReadError::NoFields { path, format, .. } => Usage(format!(
            "{path}: a {format} file has no fields for --fields to name: give jsonl, csv, tsv or parquet"
        ))
        .into(),
        ReadError::MissingField { key, field, found } => anyhow!(
            "{key} has no field `{field}` (it has {found}): choose another one with --fields"
        ),
        other => other.into(),
    }
}

fn field<'e>(source: &Source, example: &'e Example, name: &str, called: &str) -> Result<&'e str> {
    example.text(name).ok_or_else(|| wrong_field(source, &example.key, called, "a string"))
}

/// The error for a record whose field `name` is not `wanted`. To say what the field is instead and which fields
/// exist, it reads the record again with all its fields.
fn wrong_field(source: &Source, key: &Key, name: &str, wanted: &str) -> anyhow::Error {
    let records = source.read_all_fields(&Ledger::new()).ok().into_iter().flatten();
    let record = records.flatten().find(|record| record.example.key == *key);
    let fields = record.map_or_else(Vec::new, |record| record.fields);
    let names: Vec<String> = fields.iter().map(|field| format!("`{}`", field.name)).collect();
    let names = names.join(", ");
    match fields.iter().find(|field| *field.name == *name) {
        Some(field) => anyhow!(
            "{key}: field `{name}` is {}, not {wanted} (the fields are {names}): choose another one with --fields, \
             or convert it",
            kind(field)
        ),
        None => {
            anyhow!(
                "{key} has no field `{name}` (it has {names}): choose another one with --fields"
            )
        }
    }
}

/// The JSON type of a field, with its article.
fn kind(field: &RawField) -> &'static str {
    if field.is_text {
        return "a string";
    }
    let object: Option<Map<String, Value>> =
        serde_json::from_str(&format!("{{{}}}", field.json)).ok();
    match object.as_ref().and_then(|object| object.values().next()) {
        Some(Value::Null) => "null",
        Some(Value::Bool(_)) => "a boolean",
        Some(Value::String(_)) => "a string",
        Some(Value::Array(_)) => "an array",
        Some(Value::Object(_)) => "an object",
        // `NaN` is not valid JSON, so it fails to parse.
        Some(Value::Number(_)) | None => "a number",
    }
}

fn number(source: &Source, example: &Example, name: &str) -> Result<f64> {
    let found = match example.fields.get(name) {
        Some(Field::Float(number)) => Some(*number),
        Some(Field::Int(number)) => Some(*number as f64),
        Some(Field::Text(text)) => text.trim().parse().ok(),
        _ => None,
    };
    let found = found.filter(|number: &f64| number.is_finite());
    found.ok_or_else(|| wrong_field(source, &example.key, name, "a finite number"))
}
