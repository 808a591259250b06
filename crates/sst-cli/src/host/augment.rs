//! `sst data augment`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use sst_data::augment::translate::TranslateError;
use sst_data::augment::{AugmentError, Chain, Context, Draw, build, list};
use sst_data::read::{DocumentWithFields, DocumentsWithFields};
use sst_data::{Ledger, NamesSettings, atomic};

use super::output;
use super::source::source;
use crate::args::AugmentArgs;
use crate::exit::{Exit, Usage};
use crate::flags::{self, FLAGS};
use crate::{files, render};

/// The number of documents that are augmented at a time: enough to keep a translator busy.
const BATCH: usize = 256;
/// The fields of an output line that this command writes itself.
const OUTPUT_FIELDS: [&str; 3] = ["text", "augmented", "kind"];

/// Augments the documents and writes their views to stdout or to a file, one JSON object per line.
///
/// # Errors
/// If a document cannot be read, an augmentation cannot be set up or fails, or a line cannot be written.
pub fn run(args: &AugmentArgs) -> Result<Exit> {
    let ledger = Ledger::new();
    let source = source(&args.paths, &args.documents)?;
    let has_file = args.out != Path::new("-");
    if has_file {
        output::check(&args.out, &source, &args.synonyms)?;
    }
    let chain = chain(args, &ledger)?;
    // The input files are listed before the output file is created, so that it is not taken for an input.
    let documents = source.read_all_fields(&ledger)?;
    if !has_file {
        views(args, documents, &chain, &ledger, &mut |line| Ok(render::line(line)?))?;
        render::ledger(&ledger.entries());
        return Ok(Exit::Done);
    }
    let (mut written, mut failed) = (0, None);
    let result = atomic::write_with(&args.out, |file| {
        let outcome = write(args, documents, &chain, &ledger, file, &mut written);
        // The error is returned below. Here it only has to prevent that the file is created.
        outcome.map_err(|error| {
            failed = Some(error);
            io::ErrorKind::Other.into()
        })
    });
    match failed {
        Some(error) => return Err(error),
        None => result.with_context(|| format!("cannot write {}", args.out.display()))?,
    }
    render::ledger(&ledger.entries());
    render::note(&format!("{} lines in {}", render::count(written), args.out.display()));
    Ok(Exit::Done)
}

fn write(
    args: &AugmentArgs,
    documents: DocumentsWithFields,
    chain: &Chain,
    ledger: &Ledger,
    file: &mut File,
    written: &mut u64,
) -> Result<()> {
    let mut out = BufWriter::new(file);
    let failed = || format!("cannot write {}", args.out.display());
    views(args, documents, chain, ledger, &mut |line| {
        *written += 1;
        writeln!(out, "{line}").with_context(failed)
    })?;
    out.flush().with_context(failed)
}

/// Builds the augmentations that the arguments name, in their order.
fn chain(args: &AugmentArgs, ledger: &Ledger) -> Result<Chain> {
    let context = Context { special: args.mask.iter().cloned().collect(), ledger: ledger.clone() };
    let given = [
        ("rate", args.rate.map(|rate| json!(rate))),
        ("mask", args.mask.as_ref().map(|mask| json!(mask))),
        ("files", (!args.synonyms.is_empty()).then(|| json!(args.synonyms))),
        ("translator", args.translator.as_ref().map(|translator| json!(translator))),
        ("pair", args.pair.as_ref().map(|pair| json!(pair))),
        ("cache", args.cache.as_ref().map(|cache| json!(cache))),
        ("timeout", args.timeout.map(|timeout| json!(timeout))),
    ];
    let names: Vec<String> = args.kinds.iter().map(|name| name.replace('-', "_")).collect();
    let keys = |name: &str| {
        let entry = list().iter().find(|entry| entry.name == name);
        entry.map(|entry| (entry.default_config)()).unwrap_or_default()
    };
    for (key, _) in given.iter().filter(|(_, value)| value.is_some()) {
        if !names.iter().any(|name| keys(name).get(key).is_some()) {
            let option = if *key == "files" { "synonyms" } else { key };
            let kinds = args.kinds.join(" and ");
            return Err(Usage(format!("--{option} does not apply to {kinds}: omit it")).into());
        }
    }
    args.synonyms.iter().try_for_each(|path| files::must_exist(path))?;
    let kinds = names.iter().map(|name| {
        let known = keys(name);
        let options = given.iter().filter(|(key, _)| known.get(key).is_some());
        let options = options.filter_map(|(key, value)| Some((key.to_string(), value.clone()?)));
        build(name, &Value::Object(options.collect()), &context)
    });
    let chain = kinds.collect::<Result<Vec<_>, _>>().and_then(Chain::new);
    chain.map_err(|error| match error {
        AugmentError::Unknown { .. }
        | AugmentError::Config { .. }
        | AugmentError::NoThesaurus { .. }
        | AugmentError::Twice { .. }
        | AugmentError::Translate(_) => {
            Usage(format!("{error}{}", flags_of(&error, &given.map(|(key, _)| key)))).into()
        }
        error @ AugmentError::Thesaurus(_) => error.into(),
    })
}

/// The flags that an error of setting up augmentations is about. `keys` are the keys of augmentations that have flags.
fn flags_of(error: &AugmentError, keys: &[&str]) -> String {
    match error {
        AugmentError::Unknown { .. } | AugmentError::Twice { .. } => flags::of_keys(&["kind"]),
        AugmentError::Config { reason, .. } => {
            let first = reason.split(' ').next().unwrap_or_default();
            let key = keys.iter().copied().find(|key| *key == first && *key != "files");
            flags::of_keys(key.as_slice())
        }
        AugmentError::Translate(TranslateError::BadPair { .. }) => flags::of_keys(&["pair"]),
        AugmentError::Translate(TranslateError::BadUrl { .. }) => flags::of_keys(&["translator"]),
        other => flags::shown(&other.settings(), FLAGS),
    }
}

/// Augments the documents in batches and passes the output lines to `write`, in the order of the documents.
fn views(
    args: &AugmentArgs,
    documents: DocumentsWithFields,
    chain: &Chain,
    ledger: &Ledger,
    write: &mut dyn FnMut(&str) -> Result<()>,
) -> Result<()> {
    let mut documents = documents.peekable();
    let mut index = 0;
    while documents.peek().is_some() {
        let batch =
            documents.by_ref().take(BATCH).collect::<Result<Vec<DocumentWithFields>, _>>()?;
        let texts: Vec<&str> =
            batch.iter().map(|whole| whole.example.text("text").unwrap_or_default()).collect();
        let copies = (0..args.copies).map(|epoch| {
            let numbers = index..index + batch.len() as u64;
            let draws: Vec<Draw> =
                numbers.map(|index| Draw { seed: args.seed, epoch, index }).collect();
            chain.augment(texts.iter().map(ToString::to_string).collect(), &draws)
        });
        let copies = copies.collect::<Result<Vec<_>, _>>()?;
        for (place, whole) in batch.iter().enumerate() {
            for copy in &copies {
                write(&line(whole, texts[place], &copy[place], chain, ledger))?;
            }
        }
        index += batch.len() as u64;
    }
    Ok(())
}

/// Formats an output line: first the fields of this command, then the other fields of the document unchanged and in
/// the order of the file.
fn line(
    whole: &DocumentWithFields,
    text: &str,
    augmented: &str,
    chain: &Chain,
    ledger: &Ledger,
) -> String {
    let key = Some(&whole.example.key);
    ledger.add("augment.unchanged", u64::from(text == augmented), key);
    let [text, augmented, kind] = [json!(text), json!(augmented), json!(chain.names())];
    let mut line = format!("{{\"text\":{text},\"augmented\":{augmented},\"kind\":{kind}");
    for field in whole.fields.iter().filter(|field| !field.is_text) {
        if OUTPUT_FIELDS.contains(&&*field.name) {
            ledger.add("augment.field_replaced", 1, key);
        } else {
            line.push(',');
            line.push_str(&field.json);
        }
    }
    line.push('}');
    line
}
