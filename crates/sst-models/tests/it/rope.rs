//! The results for a text are the same alone, in a batch of unequal lengths, and with a cache, for every model and
//! every kind of rotary scaling. They equal those of transformers.

use std::path::Path;

use serde_json::{Value, json};
use sst_core::checkpoint::{Allow, Weights};
use sst_core::nn::KvCache;
use sst_core::{Forward, Model, RaggedRows, Tokens};
use sst_models::{ModelCard, load, save_folder};
use tch::{Device, Kind, Tensor};

use crate::case::{close, golden};

/// The lengths of rows that are read together. Some kinds of scaling change at 16 tokens, others at 20.
const LENGTHS: [usize; 6] = [7, 30, 16, 2, 21, 17];

fn read(folder: &Path) -> Box<dyn Model> {
    load(folder, None, Device::Cpu, &Allow::default()).unwrap().0
}

/// The Llama of the goldens with another scaling, and the folder of its goldens.
fn every_rope(check: &mut dyn FnMut(&str, &dyn Model, &Weights)) {
    let weights = Weights::open(&golden("causal/rope.safetensors")).unwrap();
    let made_with = weights.metadata()["made_with"].clone();
    let made_with: Value = serde_json::from_str(&made_with).unwrap();
    let text = std::fs::read_to_string(golden("causal/llama/config.json")).unwrap();
    let config: Value = serde_json::from_str(&text).unwrap();
    let trained = read(&golden("causal/llama"));
    let ways = made_with["rope"].as_object().unwrap();
    assert_eq!(ways.len(), 11);
    for (name, rope) in ways {
        let mut config = config.clone();
        config["rope_parameters"] = rope.clone();
        // This case is for rows that are longer than the model's positions.
        config["max_position_embeddings"] = json!(if name == "dynamic" { 20 } else { 40 });
        let dir = tempfile::tempdir().unwrap();
        save_folder(dir.path(), &*trained, None, &ModelCard::default()).unwrap();
        std::fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        check(name, &*read(dir.path()), &weights);
    }
}

/// Hidden states `[t, d]` of ragged rows.
fn together(model: &dyn Model, ids_t: &Tensor, lengths: &[usize]) -> Tensor {
    let rows = RaggedRows::new(lengths, Device::Cpu);
    let input = Tokens::ragged(ids_t, &rows);
    model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap().hidden_bld
}

fn alone(model: &dyn Model, ids_t: &Tensor) -> Tensor {
    together(model, ids_t, &[ids_t.size()[0] as usize])
}

/// The rows of [`LENGTHS`], each the first tokens of `ids_l`.
fn rows_of(ids_l: &Tensor) -> Vec<Tensor> {
    LENGTHS.iter().map(|length| ids_l.narrow(0, 0, *length as i64)).collect()
}

/// Compares ragged and padded batches with each row alone.
fn check_batches(name: &str, model: &dyn Model, ids_l: &Tensor) {
    let rows = rows_of(ids_l);
    let want: Vec<Tensor> = rows.iter().map(|row| alone(model, row)).collect();
    let ragged = together(model, &Tensor::cat(&rows, 0), &LENGTHS);
    close(&format!("{name}, ragged"), &ragged, &Tensor::cat(&want, 0), 1e-5);
    let longest = *LENGTHS.iter().max().unwrap() as i64;
    let padded: Vec<Tensor> =
        rows.iter().map(|row| row.constant_pad_nd([0, longest - row.size()[0]])).collect();
    let lengths: Vec<i64> = LENGTHS.iter().map(|length| *length as i64).collect();
    let lengths = Tensor::from_slice(&lengths).unsqueeze(1);
    let mask = Tensor::arange(longest, (Kind::Int64, Device::Cpu)).lt_tensor(&lengths);
    let input = Tokens {
        input_ids: &Tensor::stack(&padded, 0),
        rows: None,
        attention_mask: Some(&mask),
        token_type_ids: None,
    };
    let hidden =
        model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap().hidden_bld;
    for (row, (want, length)) in want.iter().zip(LENGTHS).enumerate() {
        let found = hidden.get(row as i64).narrow(0, 0, length as i64);
        close(&format!("{name}, padded, {length} tokens"), &found, want, 1e-5);
    }
}

/// Compares rows that grow in a cache with whole rows without a cache.
fn check_cache(name: &str, model: &dyn Model, ids_l: &Tensor) {
    let (rows, decoder) = (rows_of(ids_l), model.decoder().unwrap());
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let mut cache = KvCache::new(rows.len(), 3);
    for (step, most) in [15, 1, 1, 3, 1, 20].into_iter().enumerate() {
        if step == 2 {
            order.reverse();
            cache.select(&order.clone()).unwrap();
        }
        let before = cache.lengths().to_vec();
        let counts: Vec<usize> = order
            .iter()
            .zip(&before)
            .map(|(row, before)| most.min(LENGTHS[*row] - before))
            .collect();
        let of_row = |i: usize| {
            let (from, count) = (before[i] as i64, counts[i] as i64);
            rows[order[i]].narrow(0, from, count)
        };
        let new = Tensor::cat(&(0..rows.len()).map(of_row).collect::<Vec<_>>(), 0);
        if new.numel() == 0 {
            continue;
        }
        let found =
            decoder.extend(&new, &RaggedRows::new(&counts, Device::Cpu), &mut cache).unwrap();
        let want = (0..rows.len()).filter(|i| counts[*i] > 0).map(|i| {
            let (from, count) = (before[i] as i64, counts[i] as i64);
            alone(model, &rows[order[i]].narrow(0, 0, from + count)).narrow(0, from, count)
        });
        let want = Tensor::cat(&want.collect::<Vec<_>>(), 0);
        close(&format!("{name}, cache, step {step}"), &found, &want, 1e-5);
    }
    let read: Vec<usize> = order.iter().map(|row| LENGTHS[*row]).collect();
    assert_eq!(cache.lengths(), read);
}

#[test]
fn every_kind_of_rope_gives_the_numbers_of_one_text_alone() {
    every_rope(&mut |name, model, weights| {
        let ids = weights.tensor("input_ids").unwrap();
        let logits =
            |hidden: &Tensor| model.lm_head().unwrap().logits(hidden, Forward::EVAL).unwrap();
        let both = logits(&together(model, &ids.flatten(0, 1), &[30, 30]));
        let want = weights.tensor(&format!("logits.{name}")).unwrap().flatten(0, 1);
        close(name, &both, &want, 1e-5);
        for length in [7, 16, 17, 21, 30] {
            let found = logits(&alone(model, &ids.get(0).narrow(0, 0, length)));
            let want = weights.tensor(&format!("alone.{name}.{length}")).unwrap();
            close(&format!("{name}, {length} tokens"), &found, &want, 1e-5);
        }
        check_batches(name, model, &ids.get(0));
        check_cache(name, model, &ids.get(0));
    });
}

#[test]
fn gpt2_and_bert_give_the_numbers_of_one_text_alone() {
    let ids =
        Weights::open(&golden("causal/rope.safetensors")).unwrap().tensor("input_ids").unwrap();
    let gpt2 = read(&golden("causal/gpt2"));
    check_batches("gpt2", &*gpt2, &ids.get(0));
    check_cache("gpt2", &*gpt2, &ids.get(0));
    let bert = read(&golden("bert/plain"));
    check_batches("bert", &*bert, &ids.get(0).remainder(bert.vocab_size().unwrap() as i64));
}
