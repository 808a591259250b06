//! `sst list`.

use anyhow::Result;
use serde_json::{Value, json};
use sst_cli::args::{ListArgs, ListKind};
use sst_cli::exit::Exit;
use sst_cli::render;
use sst_data::tokenize::{Algorithm, TrainConfig};
use sst_run::recipe::Schedule;
use sst_train::{OptimizerConfig, OptimizerName, ScheduleName};

/// One entry of the list: something that a recipe or a command can name.
struct Item {
    name: &'static str,
    summary: &'static str,
    /// Its configuration keys with their defaults, if it has any.
    config: Option<Value>,
}

const KINDS: [(ListKind, &str); 10] = [
    (ListKind::Objectives, "objectives"),
    (ListKind::Models, "models"),
    (ListKind::Readers, "readers"),
    (ListKind::Tokenizers, "tokenizers"),
    (ListKind::Optimizers, "optimizers"),
    (ListKind::Schedules, "schedules"),
    (ListKind::Evaluators, "evaluators"),
    (ListKind::Augmentations, "augmentations"),
    (ListKind::Transforms, "transforms"),
    (ListKind::PictureTransforms, "picture-transforms"),
];

/// Prints the entries of all kinds, or of one, with every key and its default.
///
/// # Errors
/// If stdout cannot be written to.
pub(crate) fn run(args: &ListArgs) -> Result<Exit> {
    let wanted = KINDS.iter().filter(|(kind, _)| args.kind.is_none_or(|only| only == *kind));
    if args.json {
        let mut all = json!({ "version": 1 });
        for (kind, name) in wanted {
            all[*name] = items(*kind).iter().map(to_json).collect();
        }
        render::json(&all)?;
        return Ok(Exit::Done);
    }
    let describe = |(kind, name): &(ListKind, &str)| {
        let rows: Vec<Vec<String>> = items(*kind).iter().flat_map(rows).collect();
        format!("{name}\n{}", render::table(&rows))
    };
    let sections: Vec<String> = wanted.map(describe).collect();
    render::line(&sections.join("\n\n"))?;
    Ok(Exit::Done)
}

fn to_json(item: &Item) -> Value {
    json!({ "name": item.name, "summary": item.summary, "config": item.config })
}

fn rows(item: &Item) -> Vec<Vec<String>> {
    let mut rows = vec![vec![format!("  {}", item.name), item.summary.to_owned()]];
    if let Some(Value::Object(keys)) = &item.config {
        rows.extend(
            keys.iter().map(|(key, value)| vec![String::new(), format!("{key} = {value}")]),
        );
    }
    rows
}

/// An entry of a registry, which has configuration keys.
fn item(name: &'static str, summary: &'static str, default_config: fn() -> Value) -> Item {
    Item { name, summary, config: Some(default_config()) }
}

fn plain(items: &[(&'static str, &'static str)]) -> Vec<Item> {
    items.iter().map(|(name, summary)| Item { name, summary, config: None }).collect()
}

fn items(kind: ListKind) -> Vec<Item> {
    match kind {
        ListKind::Objectives => {
            let entries = sst_objectives::list().iter();
            entries.map(|entry| item(entry.name, entry.summary, entry.default_config)).collect()
        }
        ListKind::Models => {
            let entries = sst_models::list().iter();
            entries
                .map(|entry| item(entry.model_type, entry.summary, entry.default_config))
                .collect()
        }
        ListKind::Readers => plain(&[
            ("text", "one document per line; .txt, .text"),
            ("paragraphs", "documents separated by blank lines; only if the format is set"),
            ("jsonl", "one JSON object per line; .jsonl, .ndjson"),
            ("csv", "comma-separated values with a header; .csv"),
            ("tsv", "tab-separated values with a header; .tsv"),
            ("parquet", "Apache Parquet; .parquet"),
            (
                "conll",
                "words with tags in columns, as in CoNLL-2003; .conll, .iob, .iob2, .bio, .bioes, .bmes",
            ),
            ("conllu", "CoNLL-U of Universal Dependencies; .conllu"),
            (
                "squad",
                "questions with answers, as in SQuAD and CMRC 2018; only if the format is set",
            ),
            (
                "pictures",
                "for objectives on pictures: folders, tables that name or hold pictures, tar files (WebDataset)",
            ),
        ]),
        ListKind::Tokenizers => tokenizers(),
        ListKind::Optimizers => optimizers(),
        ListKind::Schedules => schedules(),
        ListKind::Evaluators => {
            let entries = sst_eval::list().iter();
            entries.map(|entry| item(entry.name, entry.summary, entry.default_config)).collect()
        }
        ListKind::Augmentations => {
            let entries = sst_data::augment::list().iter();
            entries.map(|entry| item(entry.name, entry.summary, entry.default_config)).collect()
        }
        ListKind::Transforms => {
            let entries = sst_data::transform::list().iter();
            entries.map(|entry| item(entry.name, entry.summary, entry.default_config)).collect()
        }
        ListKind::PictureTransforms => {
            let entries = sst_data::pictures::transform::list().iter();
            entries.map(|entry| item(entry.name, entry.summary, entry.default_config)).collect()
        }
    }
}

/// The kinds of tokenizers. They have the same keys.
fn tokenizers() -> Vec<Item> {
    let describe = |algorithm| match algorithm {
        Algorithm::WordPiece => ("wordpiece", "WordPiece as in BERT: longest match first"),
        Algorithm::Bpe => ("bpe", "byte-level BPE as in GPT-2; no text is unknown"),
        Algorithm::Unigram => {
            ("unigram", "unigram model as in SentencePiece: most likely segmentation")
        }
    };
    let item = |algorithm| {
        let (name, summary) = describe(algorithm);
        let config = TrainConfig { algorithm, ..TrainConfig::default() };
        Item { name, summary, config: serde_json::to_value(config).ok() }
    };
    [Algorithm::WordPiece, Algorithm::Bpe, Algorithm::Unigram].map(item).into()
}

fn optimizers() -> Vec<Item> {
    let describe = |name| match name {
        OptimizerName::AdamW => ("adamw", "Adam with decoupled weight decay"),
        OptimizerName::Muon => {
            ("muon", "orthogonalised momentum for the matrices of the layers, adamw for the rest")
        }
    };
    let item = |name| {
        let (text, summary) = describe(name);
        let config = OptimizerConfig { name, ..OptimizerConfig::default() };
        Item { name: text, summary, config: serde_json::to_value(config).ok() }
    };
    [OptimizerName::AdamW, OptimizerName::Muon].map(item).into()
}

/// The schedules. They have the same keys.
fn schedules() -> Vec<Item> {
    let describe = |name| match name {
        ScheduleName::Linear => ("linear", "linear decay to the minimum"),
        ScheduleName::Cosine => ("cosine", "cosine decay to the minimum"),
        ScheduleName::Constant => ("constant", "constant after the warm-up"),
        ScheduleName::InverseSqrt => {
            ("inverse_sqrt", "decay with the inverse square root of the step")
        }
        ScheduleName::Wsd => ("wsd", "warm-up, stable phase, decay over the cooldown steps"),
    };
    let item = |name| {
        let (text, summary) = describe(name);
        Item { name: text, summary, config: serde_json::to_value(Schedule::named(name)).ok() }
    };
    let all = [
        ScheduleName::Linear,
        ScheduleName::Cosine,
        ScheduleName::Constant,
        ScheduleName::InverseSqrt,
        ScheduleName::Wsd,
    ];
    all.map(item).into()
}
