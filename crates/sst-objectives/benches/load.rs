//! Measures the host half on the bundled book: the speed from prepared tokens to batches, in tokens per second on one
//! core; the time until the first batch of a resumed loader; and the cost of masking and collating alone.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark may panic; its functions are made by macros"
)]

use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;
use sst_data::Ledger;
use sst_data::batching::{Batching, BudgetConfig, Cost, FixedBatches, Position, TokenBudget};
use sst_data::clean::CleanConfig;
use sst_data::loader::{Loader, LoaderConfig};
use sst_data::read::Source;
use sst_data::rows::{Dataset, RowMode, Subset, TokenRows};
use sst_data::store::{Preparation, Store};
use sst_data::tokenize::{Tokenizer, TrainConfig, train};
use sst_objectives::Context;
use tch::Device;

/// The tokenised verses of the book.
fn prepared(folder: &Path) -> (Arc<Store>, Tokenizer) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/kjv.txt.gz");
    let source = Source { paths: vec![path.display().to_string()], ..Source::default() };
    let (ledger, clean) = (Ledger::new(), CleanConfig::default());
    let texts = source.read(&ledger).unwrap();
    let texts = texts.map(|example| example.unwrap().text("text").unwrap().to_owned());
    let config = TrainConfig { vocab_size: 4096, ..TrainConfig::default() };
    let tokenizer = train(&config, texts).unwrap();
    let preparation = Preparation {
        source: &source,
        clean: &clean,
        tokenizer: &tokenizer,
        sentence_ends: false,
        ledger: &ledger,
        cache: folder,
    };
    (preparation.prepare(&mut |_, _| {}).unwrap(), tokenizer)
}

fn host_half(c: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let (store, tokenizer) = prepared(folder.path());
    load(c, &store, &tokenizer);
    collate(c, &store, &tokenizer);
}

fn load(c: &mut Criterion, store: &Arc<Store>, tokenizer: &Tokenizer) {
    const STEPS: usize = 100;
    let inline = LoaderConfig { workers: 0, ..LoaderConfig::default() };
    let mut group = c.benchmark_group("load");
    for (rows_name, mode, length) in [
        ("stream-32", RowMode::Stream, 32),
        ("stream-128", RowMode::Stream, 128),
        ("verses", RowMode::Document, 128),
    ] {
        let template = tokenizer.special_token_template().clone();
        let rows =
            TokenRows::new(Arc::clone(store), Subset::All, mode, length, template, &Ledger::new());
        let rows: Arc<dyn Dataset> = Arc::new(rows.unwrap());
        let rule: Arc<dyn Batching> = Arc::new(FixedBatches::new(1, rows.len(), 64, 64).unwrap());
        for unit in ["token", "word", "span"] {
            for padding_free in [true, false] {
                let context = Context::new(Some(tokenizer), 1, Device::Cpu, 0);
                let context = Context { padding_free, ..context };
                let objective = sst_objectives::build("mlm", &json!({"unit": unit}), &context);
                let collate = objective.unwrap().collate();
                let open = |rule: &Arc<dyn Batching>, from| {
                    let (rows, rule) = (Arc::clone(&rows), Arc::clone(rule));
                    Loader::new(rows, Arc::clone(&collate), rule, inline, from).unwrap()
                };
                let tokens = |loader: Loader| -> u64 {
                    let steps = loader.take(STEPS).map(Result::unwrap);
                    steps.flat_map(|step| step.micro).map(|batch| batch.useful_tokens).sum()
                };
                let layout = if padding_free { "ragged" } else { "padded" };
                let name = format!("{rows_name}/{unit}/{layout}");
                group.throughput(Throughput::Elements(tokens(open(&rule, Position::default()))));
                group.bench_function(BenchmarkId::new("mlm", name), |b| {
                    b.iter(|| tokens(open(&rule, Position::default())));
                });
                if unit != "token" || !padding_free {
                    continue;
                }
                let sizes = BudgetConfig { cost: Cost::Real, ..BudgetConfig::new(64 * length) };
                let budget = TokenBudget::new(1, Arc::clone(&rows), sizes).unwrap();
                let from = Position { step: 156_250, sample: 10_000_000 };
                group.throughput(Throughput::Elements(1));
                for (rule_name, rule) in [("rows", rule.clone()), ("tokens", Arc::new(budget))] {
                    group.bench_function(
                        BenchmarkId::new("resume-at-10M", format!("{rows_name}/{rule_name}")),
                        |b| b.iter(|| open(&rule, from).next().unwrap().unwrap()),
                    );
                }
            }
        }
    }
    group.finish();
}

/// Makes batches of verses that are already in memory: collating alone with `clm`, masking and collating with `mlm`.
fn collate(c: &mut Criterion, store: &Arc<Store>, tokenizer: &Tokenizer) {
    let template = tokenizer.special_token_template().clone();
    let ledger = Ledger::new();
    let rows =
        TokenRows::new(Arc::clone(store), Subset::All, RowMode::Document, 128, template, &ledger)
            .unwrap();
    let examples: Vec<_> = (0..64).map(|index| rows.get(index, 0).unwrap()).collect();
    let tokens: usize = (0..64).map(|index| rows.row_length(index)).sum();
    let mut group = c.benchmark_group("collate");
    group.throughput(Throughput::Elements(tokens as u64));
    for (name, options) in [
        ("clm", json!({})),
        ("mlm/token", json!({"unit": "token"})),
        ("mlm/word", json!({"unit": "word"})),
        ("mlm/span", json!({"unit": "span"})),
    ] {
        for (layout, padding_free) in [("ragged", true), ("padded", false)] {
            let (device, hidden_size, seed) = (Device::Cpu, 1, 0);
            let context = Context {
                padding_free,
                ..Context::new(Some(tokenizer), hidden_size, device, seed)
            };
            let objective = name.split('/').next().unwrap();
            let collate = sst_objectives::build(objective, &options, &context).unwrap().collate();
            group.bench_function(BenchmarkId::new(name, layout), |b| {
                b.iter(|| collate.collate(&examples, 1).unwrap());
            });
        }
    }
    group.finish();
}

criterion_group!(benches, host_half);
criterion_main!(benches);
