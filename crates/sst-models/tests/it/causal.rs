//! GPT-2 and Llama against transformers: hidden states, attention maps, logits, loss, every gradient, ten steps, and
//! names of parameters. Also a cache against whole rows.

use std::path::Path;

use serde_json::{Map, Value, json};
use sst_core::checkpoint::{Allow, Weights};
use sst_core::nn::KvCache;
use sst_core::{Forward, Model, RaggedRows, Tokens, Want};
use sst_models::{BuildOptions, InitOptions, ModelCard, build, load, save_folder};
use tch::{Device, Kind, Reduction, Tensor};

use crate::case::{Case, close, golden};
use crate::steps;

const CASES: [&str; 4] = ["gpt2", "gpt2-odd", "llama", "llama-odd"];
/// A third of this gradient, that of the keys, is a shift of all scores, to which the softmax is invariant. The rest
/// is large, so that the tolerance holds for the whole gradient too, but not during ten steps.
const PARTLY_ZERO: &str = "c_attn.bias";
const NOTHING: &str = "nothing";

struct Inputs {
    ids: Tensor,
    mask: Tensor,
    labels: Tensor,
}

impl Inputs {
    fn read(case: &Case, prefix: &str) -> Self {
        let get = |name: &str| case.get(&format!("{prefix}{name}"));
        let mask = get("attention_mask").to_kind(Kind::Bool);
        Self { ids: get("input_ids"), mask, labels: get("labels") }
    }

    fn encoder(&self) -> Tokens<'_> {
        Tokens {
            input_ids: &self.ids,
            rows: None,
            attention_mask: Some(&self.mask),
            token_type_ids: None,
        }
    }
}

/// The mean cross-entropy of each row's tokens, except the first, given the tokens before them.
fn next_token_loss(model: &dyn Model, inputs: &Inputs) -> Tensor {
    let output =
        model.text_encoder().unwrap().encode(inputs.encoder().into(), Forward::TRAIN).unwrap();
    let length = inputs.ids.size()[1];
    let hidden_nd = output.hidden_bld.narrow(1, 0, length - 1).flatten(0, 1);
    let logits_nv = model.lm_head().unwrap().logits(&hidden_nd, Forward::TRAIN).unwrap();
    let labels_n = inputs.labels.narrow(1, 1, length - 1).flatten(0, 1);
    logits_nv.cross_entropy_loss(&labels_n, None::<Tensor>, Reduction::Mean, -100, 0.0)
}

fn read(folder: &Path) -> Box<dyn Model> {
    load(folder, None, Device::Cpu, &Allow::default()).unwrap().0
}

fn check_forward(folder: &Path) {
    let (case, model) = (Case::open(folder), read(folder));
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
    let queries = inputs.mask.unsqueeze(1).unsqueeze(-1).to_kind(Kind::Float);
    for (i, map) in eager.attentions.unwrap().iter().enumerate() {
        let want = case.get(&format!("attentions.{i}"));
        close(&format!("attention {i}"), &(map * &queries), &want, 1e-5);
    }
    let fused = model
        .text_encoder()
        .unwrap()
        .encode(inputs.encoder().into(), Forward::EVAL)
        .unwrap()
        .hidden_bld;
    let logits = model.lm_head().unwrap().logits(&fused.flatten(0, 1), Forward::EVAL).unwrap();
    let want = case.get("logits");
    let tokens = inputs.mask.unsqueeze(-1).to_kind(Kind::Float);
    close("logits", &(logits.view(want.size().as_slice()) * tokens), &want, 1e-5);
}

fn check_all(folder: &Path) {
    check_forward(folder);
    let (case, model) = (Case::open(folder), read(folder));
    let loss = next_token_loss(&*model, &Inputs::read(&case, ""));
    close("loss", &loss, &case.get("loss"), 1e-5);
    loss.backward();
    steps::check_gradients(&case, &*model, NOTHING);
    let model = read(folder);
    steps::check(&case, &*model, PARTLY_ZERO, &|model, prefix| {
        next_token_loss(model, &Inputs::read(&case, prefix))
    });
}

#[test]
fn gpt2_equals_transformers() {
    check_all(&golden("causal/gpt2"));
}

#[test]
fn gpt2_of_odd_sizes_with_a_head_of_its_own_equals_transformers() {
    check_all(&golden("causal/gpt2-odd"));
}

#[test]
fn llama_with_shared_keys_equals_transformers() {
    check_all(&golden("causal/llama"));
}

#[test]
fn llama_with_biases_and_stretched_positions_equals_transformers() {
    check_all(&golden("causal/llama-odd"));
}

/// A case that `cargo xtask parity` has just made, in the folder that the environment variable names.
#[test]
fn causal_parity_external() {
    if let Some(folder) = crate::folders::environment("SST_CAUSAL_CASE") {
        check_all(&folder);
    }
}

#[test]
fn names_and_shapes_are_those_of_transformers() {
    for name in CASES {
        let folder = golden(&format!("causal/{name}"));
        let text = std::fs::read_to_string(folder.join("keys.json")).unwrap();
        let want: Value = serde_json::from_str(&text).unwrap();
        let dir = tempfile::tempdir().unwrap();
        save_folder(dir.path(), &*read(&folder), None, &ModelCard::default()).unwrap();
        let saved = Weights::open(dir.path()).unwrap();
        let got: Map<String, Value> =
            saved.names().map(|n| (n.to_owned(), json!(saved.shape(n).unwrap()))).collect();
        assert_eq!(Value::Object(got), want, "{name}");
        let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let was: Map<String, Value> = serde_json::from_str(&text).unwrap();
        let text = std::fs::read_to_string(dir.path().join("config.json")).unwrap();
        let is: Value = serde_json::from_str(&text).unwrap();
        for (key, value) in &was {
            assert_eq!(is.get(key), Some(value), "{name}: {key}");
        }
        let again = read(dir.path());
        for (parameter, tensor) in read(&folder).params().iter() {
            assert!(again.params().get(parameter).unwrap().equal(tensor), "{name}: {parameter}");
        }
    }
}

/// Loads the encoder alone, with names without a prefix, from a folder that has a head.
#[test]
fn a_decoder_without_its_head_loads_from_a_folder_that_has_one() {
    for (name, architecture, head) in [
        ("gpt2", "GPT2Model", None),
        ("gpt2-odd", "GPT2Model", Some("lm_head.weight")),
        ("llama-odd", "LlamaModel", Some("lm_head.weight")),
    ] {
        let folder = golden(&format!("causal/{name}"));
        let unexpected = head.into_iter().map(str::to_owned).collect();
        let allow = Allow { missing: Vec::new(), unexpected };
        let (model, _) = load(&folder, Some(architecture), Device::Cpu, &allow).unwrap();
        let error = model.lm_head().map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(architecture) && error.contains("language-model head"), "{error}");
        let case = Case::open(&folder);
        let inputs = Inputs::read(&case, "");
        let hidden = model
            .text_encoder()
            .unwrap()
            .encode(inputs.encoder().into(), Forward::EVAL)
            .unwrap()
            .hidden_bld;
        let layers = case.names("attentions.").len();
        close(name, &hidden, &case.get(&format!("hidden_states.{layers}")), 1e-5);
    }
}

/// Ragged rows that are read in several parts with a cache have the hidden states of whole rows.
#[test]
fn a_cache_changes_nothing() {
    for name in CASES {
        let folder = golden(&format!("causal/{name}"));
        let (case, model) = (Case::open(&folder), read(&folder));
        let inputs = Inputs::read(&case, "");
        let whole = model
            .text_encoder()
            .unwrap()
            .encode(inputs.encoder().into(), Forward::EVAL)
            .unwrap()
            .hidden_bld;
        let lengths = inputs.mask.sum_dim_intlist(1, false, Kind::Int64);
        let lengths: Vec<usize> =
            Vec::<i64>::try_from(lengths).unwrap().into_iter().map(|n| n as usize).collect();
        let mut cache = KvCache::new(lengths.len(), 3);
        let decoder = model.decoder().unwrap();
        for most in [2, 1, 7, 30] {
            let before = cache.lengths().to_vec();
            let counts: Vec<usize> =
                lengths.iter().zip(&before).map(|(end, at)| most.min(end - at)).collect();
            let parts = |x: &Tensor| {
                let parts = (0..)
                    .zip(before.iter().zip(&counts))
                    .map(|(row, (at, count))| x.get(row).narrow(0, *at as i64, *count as i64));
                Tensor::cat(&parts.collect::<Vec<_>>(), 0)
            };
            let rows = RaggedRows::new(&counts, Device::Cpu);
            let hidden = decoder.extend(&parts(&inputs.ids), &rows, &mut cache).unwrap();
            if rows.num_tokens() > 0 {
                close(&format!("{name} {most}"), &hidden, &parts(&whole), 1e-5);
            }
        }
        assert_eq!(cache.lengths(), lengths);
    }
}

/// Activation checkpointing gives the same gradients bit for bit, also with dropout.
#[test]
fn layers_that_run_again_change_nothing() {
    let _turn = crate::generator();
    for (name, dropout) in [
        ("gpt2", json!({"resid_pdrop": 0.1, "embd_pdrop": 0.1, "attn_pdrop": 0.1})),
        ("llama", json!({"attention_dropout": 0.1})),
    ] {
        let folder = golden(&format!("causal/{name}"));
        let text = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let mut config: Value = serde_json::from_str(&text).unwrap();
        for (key, value) in dropout.as_object().unwrap() {
            config[key] = value.clone();
        }
        for key in ["use_cache", "transformers_version", "pretraining_tp"] {
            config.as_object_mut().unwrap().remove(key);
        }
        let own = |config: &Value| {
            let known = sst_models::list().iter().find(|entry| entry.model_type == name).unwrap();
            let known = (known.default_config)();
            let keys = config.as_object().unwrap().iter();
            let keys = keys.filter(|(key, _)| *key == "model_type" || known.get(key).is_some());
            Value::Object(keys.map(|(key, value)| (key.clone(), value.clone())).collect())
        };
        let gradients = |again: bool| {
            let options = BuildOptions {
                device: Device::Cpu,
                seed: Some(3),
                architecture: None,
                init: InitOptions::default(),
            };
            let mut model = build(&own(&config), &options).unwrap();
            if again {
                assert_eq!(model.checkpoint_layers(&|i| i > 0).unwrap(), 1);
            }
            tch::manual_seed(9);
            next_token_loss(&*model, &Inputs::read(&Case::open(&folder), "")).backward();
            model.params().iter().map(|(name, p)| (name.to_owned(), p.grad())).collect::<Vec<_>>()
        };
        for ((parameter, plain), (_, again)) in gradients(false).iter().zip(&gradients(true)) {
            assert!(plain.equal(again), "{name}: {parameter}");
        }
    }
}

#[test]
fn a_row_longer_than_the_positions_is_refused() {
    let model = read(&golden("causal/gpt2-odd"));
    let ids = Tensor::zeros([24], (Kind::Int64, Device::Cpu));
    let rows = RaggedRows::new(&[24], Device::Cpu);
    let mut cache = KvCache::new(1, 4);
    let error = model.decoder().unwrap().extend(&ids, &rows, &mut cache).unwrap_err().to_string();
    assert!(error.contains("24 tokens") && error.contains("23 positions"), "{error}");
    let input = Tokens::ragged(&ids, &rows);
    let error =
        model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap_err().to_string();
    assert!(error.contains("24 tokens") && error.contains("23 positions"), "{error}");
}
