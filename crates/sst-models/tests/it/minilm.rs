//! A real model: all-MiniLM-L6-v2, against sentence-transformers.

use std::path::Path;

use sst_core::checkpoint::Allow;
use sst_core::{Forward, Tokens};
use tch::{Device, Kind, Tensor};

use crate::case::{Case, close};

fn check(model_folder: &Path, case: &Case) {
    let (model, _) = sst_models::load(model_folder, None, Device::Cpu, &Allow::default()).unwrap();
    let (ids, mask) = (case.get("input_ids"), case.get("attention_mask"));
    let mut pooled = Vec::new();
    for start in (0..ids.size()[0]).step_by(20) {
        let count = 20.min(ids.size()[0] - start);
        let (ids, mask) = (ids.narrow(0, start, count), mask.narrow(0, start, count));
        let seen = mask.to_kind(Kind::Bool);
        let input = Tokens {
            input_ids: &ids,
            rows: None,
            attention_mask: Some(&seen),
            token_type_ids: None,
        };
        let hidden = tch::no_grad(|| {
            model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap().hidden_bld
        });
        let weight = mask.to_kind(Kind::Float).unsqueeze(-1);
        let sum = (hidden * &weight).sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
        pooled.push(
            sum / weight.sum_dim_intlist([1_i64].as_slice(), false, Kind::Float).clamp_min(1e-9),
        );
    }
    let pooled = Tensor::cat(&pooled, 0);
    let want = case.get("pooled");
    for row in 0..want.size()[0] {
        close(&format!("sentence {row}"), &pooled.get(row), &want.get(row), 1e-5);
    }
    let norm = pooled.norm_scalaropt_dim(2.0, [1_i64].as_slice(), true);
    close("normalised", &(pooled / norm), &case.get("normalized"), 1e-5);
}

/// `cargo xtask parity` gets the model, makes the case and runs this test.
#[test]
fn parity_minilm() {
    if let Some(folder) = crate::folders::environment("SST_PARITY_MINILM") {
        check(&folder.join("model"), &Case::open(&folder));
    }
}
