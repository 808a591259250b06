//! Compares the loss of pairs and triplets with its sum in fp64.

use serde_json::json;
use sst_core::{Batch, Forward};
use tch::Device;

use super::{cosine, matrix, objective, run};
use crate::toy;

const TEMPERATURE: f64 = 0.1;

/// Triplets of different texts, except that the last two triplets have the same partner.
fn triplets() -> Vec<sst_data::Example> {
    let tokenizer = toy::tokenizer();
    let ids = |i: u64, change: &dyn Fn(&mut Vec<u32>)| {
        let mut ids = tokenizer.encode_with_special(&toy::sentence(i)).unwrap();
        change(&mut ids);
        sst_data::Field::Tokens(ids)
    };
    let mut examples = toy::rows(&tokenizer, 5);
    for (i, example) in (0..).zip(&mut examples) {
        let partner = ids(i.min(3), &|ids| ids[1..].reverse());
        let negative = ids(i, &|ids| drop(ids.drain(1..6)));
        example.fields.insert("input_ids.1".into(), partner);
        example.fields.insert("input_ids.2".into(), negative);
    }
    examples
}

#[test]
fn the_loss_weights_own_negatives_and_leaves_false_negatives_out() {
    const WEIGHT: f64 = 2.5;
    let model = toy::sentence_encoder(toy::tokenizer().vocab_size(), 0.0);
    for symmetric in [false, true] {
        let config = json!({
            "temperature": TEMPERATURE, "negative_weight": WEIGHT, "symmetric": symmetric,
        });
        let pairs = objective("pairs", &config, true);
        let host = pairs.collate().collate(&triplets(), 1).unwrap();
        let batch = Batch::from_host(&host, Device::Cpu).unwrap();
        let rows = batch.rows.as_ref().unwrap();
        let input = sst_core::Tokens::from_batch(&batch).unwrap();
        let states = tch::no_grad(|| {
            model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap()
        });
        let means = sst_core::nn::Pooling::Mean.apply(&states.hidden_bld, rows).unwrap();
        let all = matrix(&means);
        let (texts, keys) = (&all[..5], &all[5..]);
        let text_to_partner = |i: usize| {
            let term = |k: usize| {
                // Texts 3 and 4 have the same partner, so the partner of the other is a false negative.
                let is_false = i >= 3 && (3..5).contains(&k) && k != i;
                let weight = if k == 5 + i { WEIGHT } else { 1.0 };
                if is_false {
                    0.0
                } else {
                    weight * (cosine(&texts[i], &keys[k]) / TEMPERATURE).exp()
                }
            };
            (0..10).map(term).sum::<f64>().ln() - cosine(&texts[i], &keys[i]) / TEMPERATURE
        };
        // In the other direction, the partner is the query, and only the texts are keys.
        let partner_to_text = |i: usize| {
            let is_false = |k: usize| i >= 3 && k >= 3 && k != i;
            let term = |k: usize| (cosine(&keys[i], &texts[k]) / TEMPERATURE).exp();
            (0..5).filter(|k| !is_false(*k)).map(term).sum::<f64>().ln()
                - cosine(&keys[i], &texts[i]) / TEMPERATURE
        };
        let mean = |f: &dyn Fn(usize) -> f64| (0..5).map(f).sum::<f64>() / 5.0;
        let want = match symmetric {
            true => (mean(&text_to_partner) + mean(&partner_to_text)) / 2.0,
            false => mean(&text_to_partner),
        };
        let (got, _) = run(&*pairs, &*model, &batch);
        assert!((got - want).abs() < 1e-5 * want, "symmetric = {symmetric}: {got} {want}");
    }
}
