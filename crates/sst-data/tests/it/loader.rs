//! The loader gives the same bytes for any number of workers, resumes at any position, and turns failures of workers
//! into errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use sst_data::batching::{
    Batching, FixedBatches, LengthRamp, LengthWarmUp, PackConfig, Packed, Position, StepPlan,
};
use sst_data::loader::{LoadError, Loader, LoaderConfig, StepData};
use sst_data::rows::{Dataset, DatasetError, RowMode, Subset, TokenRows};
use sst_data::store::StoreBuilder;
use sst_data::tokenize::SpecialTokenTemplate;
use sst_data::{
    ArrayData, Collate, CollateError, Example, Field, HostBatch, Key, Ledger, Normalizer, SeqRng,
};

const LEN: u64 = 37;

/// Row `i` holds a few tokens; row `broken` cannot be read.
#[derive(Default)]
struct Rows {
    broken: Option<u64>,
    slow: bool,
    reads: AtomicU64,
}

impl Dataset for Rows {
    fn len(&self) -> u64 {
        LEN
    }

    fn row_length(&self, index: u64) -> usize {
        index as usize % 5 + 1
    }

    fn get(&self, index: u64, epoch: u64) -> Result<Example, DatasetError> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        if self.broken == Some(index) {
            let key = self.key(index);
            return Err(DatasetError::Unreadable { key, reason: "it is broken".to_owned() });
        }
        if self.slow {
            // The delays differ, so that workers finish out of order.
            std::thread::sleep(Duration::from_micros(index * 53 % 700));
        }
        let tokens = vec![index as u32; self.row_length(index)];
        let example = Example::new(self.key(index), index, "input_ids", Field::Tokens(tokens));
        Ok(Example { epoch, ..example })
    }

    fn key(&self, index: u64) -> Key {
        Key::new("rows.txt", index + 1)
    }
}

/// Draws a number for each example, as masking does; panics on example `fatal`.
#[derive(Default)]
struct Draw {
    fatal: Option<u64>,
    alive: Arc<AtomicUsize>,
}

impl Collate for Draw {
    fn collate(&self, examples: &[Example], seed: u64) -> Result<HostBatch, CollateError> {
        self.alive.fetch_add(1, Ordering::SeqCst);
        let mut draws = Vec::new();
        for example in examples {
            assert_ne!(Some(example.index), self.fatal, "this example is fatal");
            let mut rng = SeqRng::new(seed, "test", example.epoch, example.index);
            draws.push(rng.next_u64() as i64 ^ example.tokens("input_ids").unwrap().len() as i64);
        }
        let keys = examples.iter().map(|e| e.key.clone()).collect();
        let normalizer = Normalizer::Count(draws.len() as u64);
        self.alive.fetch_sub(1, Ordering::SeqCst);
        Ok(HostBatch::new(normalizer, keys).with("draws", &[draws.len()], ArrayData::I64(draws))?)
    }
}

fn loader(rows: Rows, draw: Draw, config: LoaderConfig, from: Position) -> Loader {
    let rule = FixedBatches::new(3, LEN, 8, 3).unwrap();
    Loader::new(Arc::new(rows), Arc::new(draw), Arc::new(rule), config, from).unwrap()
}

fn config(workers: usize) -> LoaderConfig {
    LoaderConfig { seed: 11, workers, ..LoaderConfig::default() }
}

fn steps(workers: usize, from: Position, count: usize) -> Vec<StepData> {
    let rows = Rows { slow: true, ..Rows::default() };
    loader(rows, Draw::default(), config(workers), from).take(count).map(Result::unwrap).collect()
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let one = steps(1, Position::default(), 40);
    assert_eq!(one.len(), 40);
    assert_eq!(one, steps(8, Position::default(), 40));
    assert_eq!(one, steps(0, Position::default(), 40));
    assert!(one.windows(2).all(|w| w[0].plan.end.step + 1 == w[1].plan.end.step));
}

#[test]
fn any_position_resumes() {
    let whole = steps(2, Position::default(), 20);
    for at in [0, 1, 7, 19] {
        let from = whole[at].plan.end;
        assert_eq!(steps(3, from, 19 - at), whole[at + 1..], "resumed after step {}", at + 1);
    }
}

#[test]
fn the_position_follows_the_steps_taken_and_not_those_prefetched() {
    let mut loader = loader(Rows::default(), Draw::default(), config(4), Position::default());
    assert_eq!(loader.position(), Position::default());
    for step in 1..=5 {
        loader.next().unwrap().unwrap();
        assert_eq!(loader.position(), Position { step, sample: step * 8 });
    }
}

#[test]
fn ranks_share_a_step() {
    let whole = steps(1, Position::default(), 3);
    let ranks: Vec<Vec<StepData>> = (0..2)
        .map(|rank| {
            let config = LoaderConfig { rank, world: 2, ..config(2) };
            let loader = loader(Rows::default(), Draw::default(), config, Position::default());
            loader.take(3).map(Result::unwrap).collect()
        })
        .collect();
    let draws = |batch: &HostBatch| match batch.get("draws").unwrap().data() {
        ArrayData::I64(draws) => draws.clone(),
        other => panic!("{other:?}"),
    };
    for (i, step) in whole.iter().enumerate() {
        for (m, micro) in step.micro.iter().enumerate() {
            let parts = [draws(&ranks[0][i].micro[m]), draws(&ranks[1][i].micro[m])].concat();
            assert_eq!(parts, draws(micro), "step {i}, micro-batch {m}");
        }
    }
}

#[test]
fn a_step_is_made_again_in_smaller_parts() {
    for workers in [0, 2] {
        let mut loader =
            loader(Rows::default(), Draw::default(), config(workers), Position::default());
        let whole = loader.next().unwrap().unwrap();
        assert_eq!(loader.make(whole.plan.clone()).unwrap(), whole);
        let cut = loader.make(whole.plan.cut(2)).unwrap();
        assert!(cut.micro.len() > whole.micro.len());
        let keys = |data: &StepData| {
            data.micro.iter().flat_map(|batch| batch.keys.clone()).collect::<Vec<_>>()
        };
        assert_eq!(keys(&cut), keys(&whole));
        assert_eq!(loader.position(), whole.plan.end, "and the next step is the one after it");
    }
}

fn first_error(workers: usize, rows: Rows, draw: Draw) -> (usize, LoadError) {
    let mut loader = loader(rows, draw, config(workers), Position::default());
    let mut good = 0;
    loop {
        match loader.next().unwrap() {
            Ok(_) => good += 1,
            Err(error) => {
                assert!(loader.next().is_none(), "nothing may follow an error");
                return (good, error);
            }
        }
    }
}

#[test]
fn a_row_that_cannot_be_read_is_an_error_in_its_place() {
    let expected = first_error(0, Rows { broken: Some(4), ..Rows::default() }, Draw::default());
    for workers in [1, 8] {
        let rows = Rows { broken: Some(4), ..Rows::default() };
        let (good, error) = first_error(workers, rows, Draw::default());
        assert_eq!(good, expected.0);
        assert_eq!(error.to_string(), "rows.txt:5: it is broken");
    }
}

#[test]
fn a_panic_in_a_worker_is_an_error_in_its_place() {
    let draw = || Draw { fatal: Some(4), ..Draw::default() };
    let expected = first_error(0, Rows::default(), draw());
    for workers in [1, 8] {
        let (good, error) = first_error(workers, Rows::default(), draw());
        assert_eq!(good, expected.0);
        let text = error.to_string();
        assert!(text.contains("this example is fatal"), "{text}");
        assert!(text.contains(&format!("step {}", good + 1)), "{text}");
    }
}

#[test]
fn dropping_the_loader_joins_its_threads() {
    let rows = Rows { slow: true, ..Rows::default() };
    let draw = Draw::default();
    let alive = Arc::clone(&draw.alive);
    let dataset = Arc::new(rows);
    let rule = Arc::new(FixedBatches::new(3, LEN, 8, 3).unwrap());
    let data: Arc<dyn Dataset> = dataset.clone();
    let mut loader =
        Loader::new(data, Arc::new(draw), rule, config(4), Position::default()).unwrap();
    loader.next().unwrap().unwrap();
    drop(loader);
    assert_eq!(alive.load(Ordering::SeqCst), 0);
    // Besides this function, only the threads held clones of the data set.
    assert_eq!(Arc::strong_count(&dataset), 1);
}

#[test]
fn memory_is_bounded_by_workers_and_prefetch() {
    let dataset = Arc::new(Rows::default());
    let data: Arc<dyn Dataset> = dataset.clone();
    let rule = Arc::new(FixedBatches::new(3, LEN, 8, 8).unwrap());
    let config = LoaderConfig { prefetch: 3, ..config(2) };
    let mut loader =
        Loader::new(data, Arc::new(Draw::default()), rule, config, Position::default()).unwrap();
    loader.next().unwrap().unwrap();
    std::thread::sleep(Duration::from_millis(200));
    // One step was taken. Two workers and three prefetched steps make at most five more.
    let read = dataset.reads.load(Ordering::Relaxed);
    assert!(read <= 8 * 6, "{read} rows were read ahead");
    assert!(read > 8, "nothing was read ahead");
}

/// Records the packs that the objective is given. A row in pieces counts as several examples.
struct Shape;

impl Collate for Shape {
    fn collate(&self, examples: &[Example], _seed: u64) -> Result<HostBatch, CollateError> {
        let lengths: Vec<_> =
            examples.iter().map(|e| e.tokens("input_ids").unwrap().len() as i64).collect();
        let keys = examples.iter().map(|e| e.key.clone()).collect();
        let batch = HostBatch::new(Normalizer::Count(0), keys);
        Ok(batch.with("lengths", &[lengths.len()], ArrayData::I64(lengths))?)
    }

    fn collate_packs(
        &self,
        examples: &[Example],
        packs: &[usize],
        seed: u64,
    ) -> Result<HostBatch, CollateError> {
        assert_eq!(packs.iter().sum::<usize>(), examples.len());
        let packs: Vec<_> = packs.iter().map(|rows| *rows as i64).collect();
        let batch = self.collate(examples, seed)?;
        Ok(batch.with("packs", &[packs.len()], ArrayData::I64(packs))?)
    }
}

fn shapes(rule: Arc<dyn Batching>, workers: usize, collate: Arc<dyn Collate>) -> Vec<StepData> {
    let folder = tempfile::tempdir().unwrap();
    let mut builder = StoreBuilder::create(folder.path(), "test", 100).unwrap();
    for line in 1..=LEN {
        builder.push(&Key::new("a.txt", line), &vec![7; line as usize]).unwrap();
    }
    let store = Arc::new(builder.finish(Ledger::new().entries()).unwrap());
    let template = SpecialTokenTemplate { prefix: vec![1], suffix: vec![2], end: None };
    let (all, mode) = (Subset::All, RowMode::Document);
    let rows = TokenRows::new(store, all, mode, 64, template, &Ledger::new()).unwrap();
    let (config, from) = (config(workers), Position::default());
    Loader::new(Arc::new(rows), collate, rule, config, from)
        .unwrap()
        .take(12)
        .map(Result::unwrap)
        .collect()
}

fn numbers(batch: &HostBatch, name: &str) -> Vec<i64> {
    match batch.get(name).unwrap().data() {
        ArrayData::I64(numbers) => numbers.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn long_rows_come_in_pieces_while_the_length_grows() {
    let fixed = Arc::new(FixedBatches::new(3, LEN, 9, 4).unwrap());
    let ramp = LengthRamp { from: 8, steps: 10, multiple_of: 1 };
    let rule = Arc::new(LengthWarmUp::new(fixed, ramp, 39).unwrap());
    let steps = shapes(rule.clone(), 0, Arc::new(Shape));
    for step in &steps {
        let limit = step.plan.max_row_length.unwrap_or(39) as i64;
        for (samples, batch) in step.plan.micro.iter().zip(&step.micro) {
            let lengths = numbers(batch, "lengths");
            assert!(lengths.iter().all(|length| (3..=limit).contains(length)), "{lengths:?}");
            // Row `i` has `i + 1` tokens of its own; each piece has two special ones.
            let own: i64 = lengths.iter().map(|length| length - 2).sum();
            assert_eq!(own, samples.iter().map(|s| s.index as i64 + 1).sum::<i64>());
        }
    }
    assert_eq!(steps, shapes(rule, 8, Arc::new(Shape)));
}

#[test]
fn packs_reach_the_objective() {
    let rows = crate::batching::Rows::new(LEN, |index| index as usize + 3);
    let packs = PackConfig { length: 40, packs_per_step: 5, micro_packs: 2, window: None };
    let rule = Arc::new(Packed::new(3, rows, packs).unwrap());
    let steps = shapes(rule.clone(), 0, Arc::new(Shape));
    for step in &steps {
        for (number, batch) in step.micro.iter().enumerate() {
            let packs = numbers(batch, "packs");
            let lengths = numbers(batch, "lengths");
            let planned = step.plan.packs.as_ref().unwrap()[number].iter().map(|rows| *rows as i64);
            assert_eq!(packs, planned.collect::<Vec<_>>());
            assert!(lengths.iter().sum::<i64>() <= 40 * packs.len() as i64);
        }
    }
    assert_eq!(steps, shapes(rule.clone(), 8, Arc::new(Shape)));
    let data: Arc<dyn Dataset> = Arc::new(Rows::default());
    let mut loader =
        Loader::new(data, Arc::new(Draw::default()), rule, config(0), Position::default()).unwrap();
    let error = loader.next().unwrap().unwrap_err().to_string();
    assert!(error.contains("use another batching rule than `Packed`"), "{error}");
}

/// A rule that ends, and that would then start again.
struct Ends;

impl Batching for Ends {
    fn steps(&self, from: Position) -> Box<dyn Iterator<Item = StepPlan> + Send> {
        let rule = FixedBatches::new(3, LEN, 8, 3).unwrap();
        let mut steps = rule.steps(from);
        let mut calls = 0;
        Box::new(std::iter::from_fn(move || {
            calls += 1;
            if calls == 4 { None } else { steps.next() }
        }))
    }
}

#[test]
fn the_loader_ends_with_its_rule() {
    for workers in [0, 1, 8] {
        let (rows, draw) = (Arc::new(Rows::default()), Arc::new(Draw::default()));
        let loader =
            Loader::new(rows, draw, Arc::new(Ends), config(workers), Position::default()).unwrap();
        assert_eq!(loader.map(Result::unwrap).count(), 3, "{workers} workers");
    }
}
