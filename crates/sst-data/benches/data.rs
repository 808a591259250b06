//! Measures the speed of the host side: tokenization (bytes a second), loading (tokens a second) and planning (steps a
//! second).

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark may panic; its functions are made by macros"
)]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use sst_data::batching::{
    Batching, BudgetConfig, Cost, FixedBatches, PackConfig, Packed, Position, TokenBudget,
};
use sst_data::curriculum::{Curriculum, Difficulty, Pacing, rank};
use sst_data::loader::{Loader, LoaderConfig};
use sst_data::order::Permutation;
use sst_data::rows::{Dataset, DatasetError, RowMode, Subset, TokenRows};
use sst_data::store::StoreBuilder;
use sst_data::tokenize::{Algorithm, Tokenizer, TrainConfig, train};
use sst_data::{
    ArrayData, Collate, CollateError, Example, Field, HostBatch, Key, Ledger, Normalizer, SeqRng,
};

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

/// Concatenates the ids into one array.
struct Copy;

impl Collate for Copy {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let ids: Vec<i64> = examples
            .iter()
            .flat_map(|example| example.tokens("input_ids").unwrap_or_default())
            .map(|id| i64::from(*id))
            .collect();
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        let batch = HostBatch::new(Normalizer::Count(ids.len() as u64), keys);
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
    let template = tokenizer.special_token_template().clone();
    let rows = TokenRows::new(store, Subset::All, RowMode::Stream, 128, template, &ledger).unwrap();
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

/// Rows with lognormal lengths: 128 tokens on average and 512 at most.
struct Lengths(Vec<usize>);

impl Lengths {
    fn new(rows: usize) -> Self {
        let mut rng = SeqRng::new(1, "lengths", 0, 0);
        let mut draw = || ((4.53 + 0.8 * rng.normal()).exp() as usize).clamp(3, 512);
        Self((0..rows).map(|_| draw()).collect())
    }
}

impl Dataset for Lengths {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn row_length(&self, index: u64) -> usize {
        self.0[index as usize]
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        let ids = Field::Tokens((0..self.0[index as usize] as u32).collect());
        Ok(Example { epoch, ..Example::new(self.key(index), index, "input_ids", ids) })
    }

    fn key(&self, index: u64) -> Key {
        Key::new("rows.txt", index + 1)
    }
}

/// Plans steps of 32,768 tokens, or of 256 rows, which have as many tokens on average.
fn plan(c: &mut Criterion) {
    const STEPS: usize = 500;
    const TOKENS: usize = 32_768;
    let rows = Arc::new(Lengths::new(1_000_000));
    let budget = |cost| {
        let config =
            BudgetConfig { micro_max_tokens: TOKENS / 4, cost, ..BudgetConfig::new(TOKENS) };
        Arc::new(TokenBudget::new(1, rows.clone(), config).unwrap())
    };
    let packs =
        PackConfig { length: 512, packs_per_step: TOKENS / 512, micro_packs: 16, window: None };
    let packed = Arc::new(Packed::new(1, rows.clone(), packs).unwrap());
    let padded = budget(Cost::Padded);
    let order = rank(&Difficulty::Length.of(&*rows, &[]).unwrap()).unwrap();
    let pacing = Pacing::Root { start: 0.1, duration: u64::MAX };
    let curriculum = Curriculum::new(1, padded.clone(), order, pacing).unwrap();
    let rules: [(&str, Arc<dyn Batching>); 5] = [
        ("fixed", Arc::new(FixedBatches::new(1, rows.len(), 256, 64).unwrap())),
        ("padded", padded),
        ("real", budget(Cost::Real)),
        ("packed", packed),
        ("curriculum", Arc::new(curriculum)),
    ];
    let mut group = c.benchmark_group("plan");
    for (name, rule) in &rules {
        group.throughput(Throughput::Elements(STEPS as u64));
        group.bench_function(BenchmarkId::new("steps", name), |b| {
            b.iter(|| rule.steps(Position::default()).take(STEPS).count());
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function(BenchmarkId::new("resume", name), |b| {
            b.iter(|| rule.steps(Position { step: 9000, sample: 3_700_000 }).next());
        });
    }
    group.finish();
    let mut group = c.benchmark_group("difficulty");
    group.sample_size(10);
    let rows = Lengths::new(100_000);
    group.throughput(Throughput::Elements(rows.len()));
    for difficulty in [Difficulty::Length, Difficulty::Diversity, Difficulty::Rarity] {
        let name = format!("{difficulty:?}").to_lowercase();
        group.bench_function(name, |b| b.iter(|| difficulty.of(black_box(&rows), &[]).unwrap()));
    }
}

criterion_group!(benches, tokenize, loader, plan);
criterion_main!(benches);
