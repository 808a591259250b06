//! Records are shuffled, split, batched, mixed, loaded and resumed as other rows are.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::json;
use sst_data::batching::{Batching, BudgetConfig, FixedBatches, Position, TokenBudget};
use sst_data::loader::{Loader, LoaderConfig, StepData};
use sst_data::records::Records;
use sst_data::rows::{Dataset, Subset};
use sst_data::transform::{Context, Transforms};
use sst_data::{ArrayData, Collate, CollateError, Example, HostBatch, Ledger, Normalizer};

use super::{Place, classified};

/// The token ids of all rows one after the other, and the labels.
struct Classes;

impl Collate for Classes {
    fn collate(&self, examples: &[Example], _: u64) -> Result<HostBatch, CollateError> {
        let (mut ids, mut labels) = (Vec::new(), Vec::new());
        for example in examples {
            let missing = |field: &str| CollateError::MissingField {
                key: example.key.clone(),
                field: field.to_owned(),
            };
            let tokens = example.tokens("input_ids").ok_or_else(|| missing("input_ids"))?;
            ids.extend(tokens.iter().map(|id| i64::from(*id)));
            labels.push(example.int("label").ok_or_else(|| missing("label"))?);
        }
        let keys = examples.iter().map(|example| example.key.clone()).collect();
        Ok(HostBatch::new(Normalizer::Count(labels.len() as u64), keys)
            .with("input_ids", &[ids.len()], ArrayData::I64(ids))?
            .with("labels", &[labels.len()], ArrayData::I64(labels))?)
    }
}

/// 60 records, of which record `i` has the class `i % 3` and is longer than the one before it.
fn place() -> Place {
    let line = |i: usize| {
        let text = "a b c ".repeat(1 + i / 6) + ["a", "b", "c"][i % 3];
        json!({"text": text, "label": i % 3}).to_string() + "\n"
    };
    Place::new("a.jsonl", &(0..60).map(line).collect::<String>(), classified())
}

fn transforms() -> Transforms {
    let configs = [
        json!({"name": "random_crop", "count": 4}),
        json!({"name": "augment", "kind": "swap", "rate": 0.5}),
    ];
    Transforms::from_configs(5, &configs, &Context::default()).unwrap()
}

fn rows(place: &Place, subset: Subset) -> Arc<Records> {
    let ledger = Ledger::new();
    let rows = Records::new(place.store(), &place.tokenizer, transforms(), subset, 32, &ledger);
    Arc::new(rows.unwrap())
}

fn steps(
    rows: &Arc<Records>,
    rule: Arc<dyn Batching>,
    workers: usize,
    from: Position,
) -> Vec<StepData> {
    let config = LoaderConfig { seed: 3, workers, ..LoaderConfig::default() };
    let loader = Loader::new(rows.clone(), Arc::new(Classes), rule, config, from).unwrap();
    loader.take(30).map(Result::unwrap).collect()
}

#[test]
fn workers_and_resumes_change_nothing_and_epochs_do() {
    let place = place();
    let rows = rows(&place, Subset::All);
    let rule = Arc::new(FixedBatches::new(1, rows.len(), 7, 3).unwrap());
    let whole = steps(&rows, rule.clone(), 0, Position::default());
    assert_eq!(whole, steps(&rows, rule.clone(), 4, Position::default()));
    for at in [0, 8, 20] {
        // A new process has a new store, tokenizer and transforms.
        let again = Arc::new(
            Records::new(
                place.store(),
                &place.tokenizer,
                transforms(),
                Subset::All,
                32,
                &Ledger::new(),
            )
            .unwrap(),
        );
        let resumed = steps(&again, rule.clone(), 2, whole[at].plan.end);
        assert_eq!(resumed[..29 - at], whole[at + 1..], "resumed after step {}", at + 1);
    }
    let example = |epoch| rows.get(59, epoch).unwrap();
    assert_eq!(example(0), example(0));
    let views: HashSet<String> =
        (0..20).map(|epoch| example(epoch).text("text").unwrap().to_owned()).collect();
    assert!(views.len() > 5, "an epoch draws anew: {views:?}");
}

#[test]
fn the_first_epoch_shows_every_record_once_with_its_label() {
    let place = place();
    let rows = rows(&place, Subset::All);
    let rule = Arc::new(FixedBatches::new(1, rows.len(), 6, 6).unwrap());
    let mut seen = HashSet::new();
    for step in &steps(&rows, rule, 2, Position::default())[..10] {
        for batch in &step.micro {
            let Some(ArrayData::I64(labels)) = batch.get("labels").map(|labels| labels.data())
            else {
                panic!("no labels")
            };
            for (key, label) in batch.keys.iter().zip(labels) {
                assert_eq!((key.record as i64 - 1) % 3, *label);
                assert!(seen.insert(key.record));
            }
        }
    }
    assert_eq!(seen.len(), 60);
}

#[test]
fn training_and_validation_share_no_record() {
    let place = place();
    let keys = |subset| -> HashSet<u64> {
        let rows = rows(&place, subset);
        (0..rows.len()).map(|row| rows.get(row, 0).unwrap().key.record).collect()
    };
    let train = keys(Subset::Train { fraction: 0.25 });
    let held_out = keys(Subset::Validation { fraction: 0.25 });
    assert!(train.is_disjoint(&held_out) && !held_out.is_empty());
    assert_eq!(train.len() + held_out.len(), 60);
    assert_eq!(keys(Subset::Train { fraction: 0.0 }).len(), 60);
}

#[test]
fn lengths_are_known_before_rows_are_built() {
    let place = place();
    let plain = place.rows(32);
    for row in 0..plain.len() {
        let example = plain.get(row, 0).unwrap();
        assert_eq!(plain.row_length(row), example.tokens("input_ids").unwrap().len());
        assert_eq!(plain.key(row), example.key);
    }
    let rows: Arc<dyn Dataset> = Arc::new(plain);
    let rule = TokenBudget::new(1, rows.clone(), BudgetConfig::new(64)).unwrap();
    let plan = rule.steps(Position::default()).next().unwrap();
    let lengths = plan.micro[0].iter().map(|sample| rows.row_length(sample.index));
    assert!(lengths.clone().max().unwrap() * lengths.count() <= 64);
}
