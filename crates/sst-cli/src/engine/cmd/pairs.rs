//! `sst eval retrieval` and `sst eval sts`.

use std::collections::{HashMap, HashSet};

use anyhow::{Result, anyhow};
use serde_json::{Map, Value, json};
use sst_cli::args::{DocumentArgs, PairArgs};
use sst_cli::exit::{Exit, Usage};
use sst_cli::host::source::source;
use sst_data::read::{RawField, Source};
use sst_data::tokenize::UnknownCount;
use sst_data::{Example, Field, Key, Ledger, Unused, UnusedKind};
use sst_eval::pairs;
use sst_models::{Embedder, SentenceModel, Side};
use sst_run::device;
use tch::Tensor;

use super::embed::options;
use super::show::show_with;
use crate::model;

/// Texts, and what each is to find among the texts of a corpus.
#[derive(Default)]
pub(super) struct Pairs {
    /// Each once.
    pub(super) queries: Vec<String>,
    /// Each once.
    pub(super) corpus: Vec<String>,
    /// For each query its places in the corpus, in the order of the records.
    pub(super) relevant: Vec<Vec<usize>>,
}

impl Pairs {
    /// Reads records of a query and its answer. One that is there twice is one: a query is to find all answers that
    /// stand beside it.
    ///
    /// # Errors
    /// If a record cannot be read or lacks a field.
    pub(super) fn read(args: &PairArgs, ledger: &Ledger) -> Result<Self> {
        let [query, answer] = fields(args)?;
        let (mut asked, mut placed) = (HashMap::new(), HashMap::new());
        let mut pairs = Self::default();
        let (first, source) = records(args, [query, answer])?;
        for example in source.read(ledger)? {
            let example = example?;
            let text = field(&source, &example, first, query)?;
            let found = field(&source, &example, answer, answer)?;
            let entry = place(&mut placed, &mut pairs.corpus, found);
            let asking = place(&mut asked, &mut pairs.queries, text);
            pairs.relevant.resize(pairs.queries.len(), Vec::new());
            if !pairs.relevant[asking].contains(&entry) {
                pairs.relevant[asking].push(entry);
            }
        }
        Ok(pairs)
    }
}

/// The place of `text` in `texts`, where it is put if it is new.
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

/// Measures whether each first text finds its second one.
///
/// # Errors
/// If model or data cannot be read, or there is no pair.
pub(crate) fn retrieval(args: &PairArgs) -> Result<Exit> {
    let ledger = Ledger::new();
    let Pairs { queries, corpus, relevant } = Pairs::read(args, &ledger)?;
    let vectors = vectors(args, Kind::Search, [&queries, &corpus], &ledger)?;
    let [queries_qd, corpus_cd] = &vectors.tensors;
    let relevant: Vec<HashSet<usize>> =
        relevant.into_iter().map(|places| places.into_iter().collect()).collect();
    let report = pairs::retrieval(queries_qd, corpus_cd, &relevant)?;
    show_with(&report, &ledger, args.json, &vectors.told)
}

/// Measures how the cosines of pairs follow their scores.
///
/// # Errors
/// If model or data cannot be read, a score is none, or there is nothing to correlate.
pub(crate) fn sts(args: &PairArgs) -> Result<Exit> {
    let [left, right, score] = fields(args)?;
    let ledger = Ledger::new();
    let mut texts: [Vec<String>; 2] = Default::default();
    let mut scores = Vec::new();
    let (first, source) = records(args, [left, right, score])?;
    for example in source.read(&ledger)? {
        let example = example?;
        texts[0].push(field(&source, &example, first, left)?.to_owned());
        texts[1].push(field(&source, &example, right, right)?.to_owned());
        scores.push(number(&source, &example, score)?);
    }
    let vectors = vectors(args, Kind::Alike, [&texts[0], &texts[1]], &ledger)?;
    let [left_nd, right_nd] = &vectors.tensors;
    let report = pairs::similarity(left_nd, right_nd, &scores)?;
    show_with(&report, &ledger, args.json, &vectors.told)
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

/// Where the records with the fields `names` are read from, and the name that the first of them has in an example: the
/// text of an example is called `text`, so the first field is read as the text unless another one is called so.
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

fn field<'e>(source: &Source, example: &'e Example, name: &str, called: &str) -> Result<&'e str> {
    example.text(name).ok_or_else(|| is_other(source, &example.key, called, "a string"))
}

/// The error of a record whose field `name` is not `wanted`: what it is instead, and which fields there are. The record
/// is read once more for that, whole.
fn is_other(source: &Source, key: &Key, name: &str, wanted: &str) -> anyhow::Error {
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

/// What a field holds, with its article.
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
        // `NaN` is no JSON.
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
    found.ok_or_else(|| is_other(source, &example.key, name, "a finite number"))
}

/// The vectors of both lists of a command, and what was put before their texts.
pub(super) struct Vectors {
    /// `[n, d]` each.
    pub(super) tensors: [Tensor; 2],
    /// The prompts, as they are told: in JSON, or a line each.
    pub(super) told: Map<String, Value>,
}

/// What two lists of texts are to each other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Queries, and documents that they find: each with its own prompt of the folder.
    Search,
    /// Texts of one kind, with the default prompt of the folder.
    Alike,
}

/// The vectors of both lists.
pub(super) fn vectors(
    args: &PairArgs,
    kind: Kind,
    texts: [&[String]; 2],
    ledger: &Ledger,
) -> Result<Vectors> {
    let found = model::find(&args.model)?;
    let device = device::open(&args.device.device, args.device.threads)?;
    let options = options(&args.pooling, &found)?;
    let mut model = SentenceModel::load(&found.folder, device, options, ledger)?;
    let other = model.similarity().filter(|name| *name != "cosine" && !model.normalizes());
    if let Some(similarity) = other {
        let mut unused = Unused::new();
        let item = format!(
            "config_sentence_transformers.json: similarity_fn_name ({similarity}): cosines are compared"
        );
        unused.add(UnusedKind::ConfigKey, item);
        ledger.add_unused(&unused);
    }
    let of_folder = match kind {
        Kind::Search => [model.prompt_of(Side::Query), model.prompt_of(Side::Document)],
        Kind::Alike => [model.prompt(), model.prompt()],
    };
    let [first, second] = of_folder.map(str::to_owned);
    let prompts = [
        args.query_prompt.clone().unwrap_or(first),
        args.document_prompt.clone().unwrap_or(second),
    ];
    let mut embed = |texts: &[String], prompt: &str| -> Result<Tensor> {
        model.set_prompt(prompt.to_owned())?;
        let embedder = Embedder::new(&model, device, None, args.batch_tokens);
        let found = embedder.embed(&texts.iter().map(String::as_str).collect::<Vec<_>>())?;
        let cut = found.cut.iter();
        ledger.add(
            "embed.truncated_texts",
            cut.clone().filter(|cut| **cut > 0).count() as u64,
            None,
        );
        ledger.add("embed.truncated_tokens", cut.sum::<usize>() as u64, None);
        let empty = found.empty.iter().filter(|is_empty| **is_empty).count();
        ledger.add("embed.empty_texts", empty as u64, None);
        let mut unknown = UnknownCount::new();
        for (text, count) in texts.iter().zip(&found.unknown) {
            unknown.add(model.tokenizer(), text, *count as u64, None, ledger)?;
        }
        unknown.report(ledger, found.tokens);
        Ok(Tensor::f_from_slice(&found.vectors)?.f_reshape([-1, model.width()])?)
    };
    let tensors = [embed(texts[0], &prompts[0])?, embed(texts[1], &prompts[1])?];
    let [query, document] = prompts;
    let told = Map::from_iter([
        ("query_prompt".to_owned(), json!(query)),
        ("document_prompt".to_owned(), json!(document)),
    ]);
    Ok(Vectors { tensors, told })
}
