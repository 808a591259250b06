//! BERT against transformers: hidden states, attention maps, logits, loss, every gradient, ten steps.

use std::path::Path;

use sst_core::checkpoint::Allow;
use sst_core::{Forward, HeadKind, Model, Tokens, Want};
use tch::{Device, Kind, Reduction, Tensor};

use crate::case::{Case, close, golden};
use crate::steps;

/// Mathematically zero, as the softmax is invariant to a shift of its scores; only rounding is left.
const ZERO_GRADIENT: &str = "attention.self.key.bias";

struct Inputs {
    ids: Tensor,
    mask: Tensor,
    types: Tensor,
    labels: Tensor,
}

impl Inputs {
    fn read(case: &Case, prefix: &str) -> Self {
        let get = |name: &str| case.get(&format!("{prefix}{name}"));
        Self {
            ids: get("input_ids"),
            mask: get("attention_mask").to_kind(Kind::Bool),
            types: get("token_type_ids"),
            labels: get("labels"),
        }
    }

    fn encoder(&self) -> Tokens<'_> {
        Tokens {
            input_ids: &self.ids,
            rows: None,
            attention_mask: Some(&self.mask),
            token_type_ids: Some(&self.types),
        }
    }
}

/// The mean cross-entropy of the labelled positions. The head runs on these only.
fn masked_loss(model: &dyn Model, inputs: &Inputs, hidden_bld: &Tensor) -> Tensor {
    let labels = inputs.labels.flatten(0, 1);
    let positions = labels.ne(-100).nonzero().squeeze_dim(1);
    let hidden_nd = hidden_bld.flatten(0, 1).index_select(0, &positions);
    let logits = model.lm_head().unwrap().logits(&hidden_nd, Forward::EVAL).unwrap();
    let labels = labels.index_select(0, &positions);
    logits.cross_entropy_loss(&labels, None::<Tensor>, Reduction::Mean, -100, 0.0)
}

fn load(folder: &Path) -> Box<dyn Model> {
    sst_models::load(folder, None, Device::Cpu, &Allow::default()).unwrap().0
}

fn check_forward(folder: &Path) {
    let (case, model) = (Case::open(folder), load(folder));
    let inputs = Inputs::read(&case, "");
    let want = Want { attentions: true, hidden_states: true };
    let eager = model
        .text_encoder()
        .unwrap()
        .encode(inputs.encoder().into(), Forward { train: false, want })
        .unwrap();
    for (i, state) in eager.hidden_states.unwrap().iter().enumerate() {
        close(&format!("hidden state {i}"), state, &case.get(&format!("hidden_states.{i}")), 1e-5);
    }
    for (i, map) in eager.attentions.unwrap().iter().enumerate() {
        close(&format!("attention {i}"), map, &case.get(&format!("attentions.{i}")), 1e-5);
    }
    let fused = model
        .text_encoder()
        .unwrap()
        .encode(inputs.encoder().into(), Forward::EVAL)
        .unwrap()
        .hidden_bld;
    let logits = model.lm_head().unwrap().logits(&fused.flatten(0, 1), Forward::EVAL).unwrap();
    let want = case.get("logits");
    close("logits", &logits.view(want.size().as_slice()), &want, 1e-5);
}

fn check_gradients(folder: &Path) {
    let (case, model) = (Case::open(folder), load(folder));
    let inputs = Inputs::read(&case, "");
    let hidden = model
        .text_encoder()
        .unwrap()
        .encode(inputs.encoder().into(), Forward::TRAIN)
        .unwrap()
        .hidden_bld;
    let mut loss = masked_loss(&*model, &inputs, &hidden);
    if let Some(label) = case.find("next_sentence_label") {
        close("mlm loss", &loss, &case.get("mlm_loss"), 1e-5);
        let logits = model
            .head(HeadKind::SentencePair)
            .unwrap()
            .logits(&hidden.select(1, 0), Forward::EVAL)
            .unwrap();
        close("next-sentence logits", &logits, &case.get("nsp_logits"), 1e-5);
        loss += logits.cross_entropy_loss(&label, None::<Tensor>, Reduction::Mean, -100, 0.0);
    }
    close("loss", &loss, &case.get("loss"), 1e-5);
    loss.f_backward().unwrap();
    steps::check_gradients(&case, &*model, ZERO_GRADIENT);
}

/// The loss of the steps is that of masked tokens only.
fn check_steps(folder: &Path) {
    let (case, model) = (Case::open(folder), load(folder));
    steps::check(&case, &*model, ZERO_GRADIENT, &|model, prefix| {
        let inputs = Inputs::read(&case, prefix);
        let output =
            model.text_encoder().unwrap().encode(inputs.encoder().into(), Forward::TRAIN).unwrap();
        masked_loss(model, &inputs, &output.hidden_bld)
    });
}

fn check_all(folder: &Path) {
    check_forward(folder);
    check_gradients(folder);
    check_steps(folder);
}

#[test]
fn plain_config_equals_transformers() {
    check_all(&golden("bert/plain"));
}

#[test]
fn odd_sizes_equal_transformers() {
    check_all(&golden("bert/odd"));
}

#[test]
fn relu_with_the_next_sentence_head_equals_transformers() {
    check_all(&golden("bert/relu"));
}

/// A case that `cargo xtask parity` has just made, in the folder that the environment variable names.
#[test]
fn parity_external() {
    if let Some(folder) = crate::folders::environment("SST_PARITY_CASE") {
        check_all(&folder);
    }
}
