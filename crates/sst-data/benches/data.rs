//! Speed of the host side: tokenising (bytes a second) and loading (tokens a second).

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark may panic; its functions are made by macros"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sst_data::batching::{FixedBatches, Position};
use sst_data::loader::{Loader, LoaderConfig};
use sst_data::order::Permutation;
use sst_data::rows::{Dataset, RowMode, Subset, TokenRows};
use sst_data::store::StoreBuilder;
use sst_data::tokenize::{Algorithm, Tokenizer, TrainConfig, train};
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Key, Ledger, Units};

fn book() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpora/kjv.txt.gz");
    let file = std::fs::File::open(path).unwrap();
    let text = std::io::read_to_string(flate2::read::MultiGzDecoder::new(file)).unwrap();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn trained(algorithm: Algorithm, texts: &[String]) -> Tokenizer {
    let config = TrainConfig { algorithm, vocab_size: 4096, ..TrainConfig::default() };
    train(&config, texts.iter().cloned()).unwrap()
}

fn tokenize(c: &mut Criterion) {
    let texts = book();
    let lines: Vec<&str> = texts.iter().map(String::as_str).collect();
    let mut group = c.benchmark_group("tokenize");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(lines.iter().map(|line| line.len() as u64).sum()));
    for algorithm in [Algorithm::WordPiece, Algorithm::Bpe, Algorithm::Unigram] {
        let tokenizer = trained(algorithm, &texts);
        let name = format!("{algorithm:?}").to_lowercase();
        group.bench_function(BenchmarkId::new("encode_batch", &name), |b| {
            b.iter(|| tokenizer.encode_batch(black_box(&lines)).unwrap());
        });
        group.bench_function(BenchmarkId::new("train", &name), |b| {
            b.iter(|| trained(algorithm, black_box(&texts)));
        });
    }
}

/// Copies the ids into one array.
struct Copy;

impl Collate for Copy {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let ids: Vec<i64> = examples
            .iter()
            .flat_map(|example| example.tokens("input_ids").unwrap_or_default())
            .map(|id| i64::from(*id))
            .collect();
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let batch = HostBatch::new(Units::Count(ids.len() as u64), keys);
        Ok(batch.with("input_ids", &[ids.len()], ArrayData::I64(ids))?)
    }
}

fn loader(c: &mut Criterion) {
    const STEPS: usize = 200;
    let folder = tempfile::tempdir().unwrap();
    let texts = book();
    let tokenizer = trained(Algorithm::WordPiece, &texts);
    let mut builder = StoreBuilder::create(folder.path(), "bench", tokenizer.vocab_size()).unwrap();
    for (line, text) in (1..).zip(&texts) {
        builder.push(&Key::new("kjv.txt", line), &tokenizer.encode(text).unwrap()).unwrap();
    }
    let ledger = Ledger::new();
    let store = Arc::new(builder.finish(ledger.entries()).unwrap());
    let frame = tokenizer.frame().clone();
    let rows = TokenRows::new(store, Subset::All, RowMode::Stream, 128, frame, &ledger).unwrap();
    let rule = Arc::new(FixedBatches::new(1, rows.len(), 64, 64).unwrap());
    let rows: Arc<dyn Dataset> = Arc::new(rows);
    let mut group = c.benchmark_group("loader");
    group.throughput(Throughput::Elements((STEPS * 64 * 128) as u64));
    for workers in [0, 1, 2] {
        let config = LoaderConfig { workers, ..LoaderConfig::default() };
        group.bench_function(BenchmarkId::new("workers", workers), |b| {
            b.iter(|| {
                let (rows, copy) = (rows.clone(), Arc::new(Copy));
                let from = Position::default();
                Loader::new(rows, copy, rule.clone(), config, from).unwrap().take(STEPS).count()
            });
        });
    }
    group.finish();
    let order = Permutation::new(1, 0, 1_000_003);
    c.bench_function("order/at", |b| {
        let mut place = 0;
        b.iter(|| {
            place += 1;
            order.at(black_box(place))
        });
    });
}

criterion_group!(benches, tokenize, loader);
criterion_main!(benches);
