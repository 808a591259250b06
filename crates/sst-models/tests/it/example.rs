//! Runs the example of the crate.

use std::path::Path;

use sst_core::checkpoint::Allow;
use sst_core::{Forward, Tokens};
use sst_data::Ledger;
use sst_data::tokenize::Tokenizer;
use tch::{Device, Kind, Tensor};

use crate::case::golden;

#[allow(dead_code, reason = "its `main` is for the command line")]
#[path = "../../examples/sentence_vectors.rs"]
mod sentence_vectors;

/// The mean hidden state of one text, from the model alone.
fn vector(folder: &Path, text: &str) -> Tensor {
    let (model, _) = sst_models::load(folder, None, Device::Cpu, &Allow::default()).unwrap();
    let ids = Tokenizer::load(folder).unwrap().encode_with_special(text).unwrap();
    let ids: Vec<i64> = ids.into_iter().map(i64::from).collect();
    let ids_bl = Tensor::from_slice(&ids).unsqueeze(0);
    let input = Tokens::new(&ids_bl).into();
    let output = tch::no_grad(|| model.text_encoder().unwrap().encode(input, Forward::EVAL));
    output.unwrap().hidden_bld.get(0).mean_dim([0_i64].as_slice(), false, Kind::Float)
}

#[test]
fn the_example_compares_texts() {
    let query = "the old man went to sea";
    let texts = [query, "the old man went to sea and hill", "light of day", "x"];
    let ledger = Ledger::new();
    // A folder of sentence-transformers, and a folder of transformers with the same weights.
    let sentence = crate::unused::sentence_folder();
    for folder in [sentence.path(), &golden("bert/hub")] {
        let got = sentence_vectors::cosines(folder, query, &texts, &ledger).unwrap();
        let first = vector(&golden("bert/hub"), query);
        assert_eq!(got.len(), texts.len());
        for (text, got) in texts.iter().zip(&got) {
            let other = vector(&golden("bert/hub"), text);
            let dot = |x: &Tensor, y: &Tensor| x.dot(y).double_value(&[]);
            let want = dot(&first, &other) / (dot(&first, &first) * dot(&other, &other)).sqrt();
            assert!((f64::from(*got) - want).abs() < 1e-5, "{text}: {got} {want}");
        }
        assert!((got[0] - 1.0).abs() < 1e-5 && got[1] > got[3] && got[3] < 0.999, "{got:?}");
    }
}
