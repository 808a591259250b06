//! LoRA against PEFT: its folders, logits, loss, gradients, ten steps and merged weights, and folders that sst writes.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sst_core::checkpoint::Weights;
use sst_core::{Forward, HeadKind, LoraConfig, LoraTargets, Model, RaggedRows, Tokens};
use sst_data::UnusedKind;
use sst_models::{
    LoadHead, LoadOptions, Loaded, ModelCard, adapter_base, label_keys, merge, open, save_folder,
};
use tch::{Device, Kind, Reduction, Tensor};

use crate::case::{Case, close, golden};
use crate::{heads, steps};

const SEQUENCE: HeadKind = HeadKind::SequenceClassification;
const TOKEN: HeadKind = HeadKind::TokenClassification;
const CASES: [(&str, &str, HeadKind); 7] = [
    ("bert", "BertForSequenceClassification", SEQUENCE),
    ("bert-all", "BertForTokenClassification", TOKEN),
    ("bert-span", "BertForQuestionAnswering", HeadKind::Span),
    ("bert-masked", "BertForMaskedLM", HeadKind::LanguageModel),
    ("gpt2", "GPT2ForSequenceClassification", SEQUENCE),
    ("llama", "LlamaForSequenceClassification", SEQUENCE),
    ("llama-all", "LlamaForCausalLM", HeadKind::LanguageModel),
];

fn folder(name: &str) -> PathBuf {
    golden("lora").join(name)
}

fn found(folder: &Path) -> Loaded {
    open(folder, &LoadOptions::new(Device::Cpu)).unwrap()
}

fn error(folder: &Path, options: &LoadOptions) -> String {
    open(folder, options).map(|_| ()).unwrap_err().to_string()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The loss that transformers computes for the labels of a case.
fn loss(model: &dyn Model, kind: HeadKind, case: &Case, prefix: &str) -> Tensor {
    let logits = heads::padded_logits(model, kind, case, prefix);
    if kind != HeadKind::LanguageModel {
        return heads::loss(model, case, prefix, &logits);
    }
    let labels_bl = case.get(&format!("{prefix}labels"));
    let (rows, length) = labels_bl.size2().unwrap();
    let logits_blv = logits.reshape([rows, length, -1]);
    // A decoder predicts the next token.
    let (logits, labels) = match model.decoder() {
        Ok(_) => (logits_blv.narrow(1, 0, length - 1), labels_bl.narrow(1, 1, length - 1)),
        Err(_) => (logits_blv, labels_bl),
    };
    let (logits, labels) = (logits.flatten(0, 1), labels.flatten(0, 1));
    logits.cross_entropy_loss(&labels, None::<Tensor>, Reduction::Mean, -100, 0.0)
}

/// Whether the gradient of a parameter is mathematically zero: a span head is invariant to a shift of all scores.
fn is_zero(kind: HeadKind, name: &str) -> bool {
    kind == HeadKind::Span && name == "qa_outputs.bias"
}

#[test]
fn adapters_of_peft_equal_peft() {
    for (name, architecture, kind) in CASES {
        let (case, loaded) = (Case::open(&folder(name)), found(&folder(name).join("adapter")));
        let model = &*loaded.model;
        assert_eq!(model.config()["architectures"], json!([architecture]), "{name}");
        for kind in [UnusedKind::Tensor, UnusedKind::ConfigKey, UnusedKind::File] {
            assert_eq!(loaded.unused.of(kind).collect::<Vec<_>>(), [""; 0], "{name}");
        }
        let want = case.get("logits");
        let got = heads::padded_logits(model, kind, &case, "");
        let mask = case.get("attention_mask");
        let shown = match want.dim() == 3 {
            false => got.shallow_clone(),
            true => got.reshape(want.size()) * mask.unsqueeze(-1),
        };
        close(&format!("{name}: logits"), &shown, &want, 1e-5);
        let loss = loss(model, kind, &case, "");
        close(&format!("{name}: loss"), &loss, &case.get("loss"), 1e-5);
        loss.f_backward().unwrap();
        steps::check_gradients_but(&case, model, &|name| is_zero(kind, name));
    }
}

#[test]
fn ten_steps_of_adapters_equal_peft() {
    for (name, _, kind) in CASES {
        let (case, loaded) = (Case::open(&folder(name)), found(&folder(name).join("adapter")));
        steps::check_but(&case, &*loaded.model, &|name| is_zero(kind, name), &|model, prefix| {
            loss(model, kind, &case, prefix)
        });
    }
}

/// Ragged rows, activation checkpointing and selected positions give the gradients of padded rows.
#[test]
fn every_path_has_the_matrices() {
    let _turn = crate::generator();
    for (name, _, kind) in CASES {
        let case = Case::open(&folder(name));
        let (ids, mask) = (case.get("input_ids"), case.get("attention_mask").to_kind(Kind::Bool));
        let lengths = Vec::<i64>::try_from(mask.sum_dim_intlist(1, false, Kind::Int64)).unwrap();
        let lengths: Vec<usize> = lengths.into_iter().map(|length| length as usize).collect();
        let rows = RaggedRows::new(&lengths, Device::Cpu);
        let places = mask.flatten(0, 1).nonzero().squeeze_dim(1);
        let flat = ids.flatten(0, 1).index_select(0, &places);
        let gradients = |path: &str| {
            let mut loaded = found(&folder(name).join("adapter"));
            let model = &mut loaded.model;
            if path == "checkpointed" {
                assert_eq!(model.checkpoint_layers(&|_| true).unwrap(), 2);
            }
            let encoder = model.text_encoder().unwrap();
            let head = model.head(kind).unwrap();
            let padded = Tokens { attention_mask: Some(&mask), ..Tokens::new(&ids) };
            let ragged = Tokens::ragged(&flat, &rows);
            let hidden = match path {
                "padded" => encoder.encode(padded.into(), Forward::TRAIN).unwrap(),
                _ => encoder.encode(ragged.into(), Forward::TRAIN).unwrap(),
            };
            let hidden = match path {
                "selected" => {
                    let all = Tensor::arange(rows.num_tokens(), (Kind::Int64, Device::Cpu));
                    encoder.encode_at(ragged.into(), &all, Forward::TRAIN).unwrap()
                }
                "padded" => hidden.hidden_bld.flatten(0, 1).index_select(0, &places),
                _ => hidden.hidden_bld,
            };
            let logits = head.logits(&hidden, Forward::TRAIN).unwrap();
            logits.square().sum(Kind::Float).f_backward().unwrap();
            let trained = model.params().trainable();
            trained.map(|(name, p)| (name.to_owned(), p.grad())).collect::<Vec<_>>()
        };
        let expected = gradients("padded");
        for path in ["ragged", "checkpointed", "selected"] {
            for ((parameter, want), (_, got)) in expected.iter().zip(gradients(path)) {
                close(&format!("{name}, {path}: {parameter}"), &got, want, 1e-5);
            }
        }
    }
}

#[test]
fn merged_weights_equal_peft() {
    for (name, _, kind) in CASES {
        let (case, mut loaded) = (Case::open(&folder(name)), found(&folder(name).join("adapter")));
        let model = &mut *loaded.model;
        let check = merge(model).unwrap();
        assert!(check.change < 1e-5 * check.largest && check.largest > 0.0, "{name}: {check:?}");
        for weight in case.names("merged.") {
            let want = case.get(&format!("merged.{weight}"));
            close(&format!("{name}: {weight}"), model.params().get(&weight).unwrap(), &want, 1e-6);
        }
        assert!(model.params().adapter().is_none());
        // The folder that is written is a whole model.
        let dir = tempfile::tempdir().unwrap();
        save_folder(dir.path(), model, None, &ModelCard::default()).unwrap();
        let names = |weights: &Weights| weights.names().map(str::to_owned).collect::<Vec<_>>();
        let base = Weights::open(&folder(name).join("base")).unwrap();
        assert_eq!(names(&Weights::open(dir.path()).unwrap()), names(&base), "{name}");
        let again = found(dir.path()).model;
        let want = case.get("merged_logits");
        let got = heads::padded_logits(&*again, kind, &case, "");
        let got = match want.dim() == 3 {
            false => got,
            true => got.reshape(want.size()) * case.get("attention_mask").unsqueeze(-1),
        };
        close(&format!("{name}: merged logits"), &got, &want, 1e-5);
    }
}

#[test]
fn folders_are_written_as_peft_writes_them() {
    for (name, ..) in CASES {
        let was = found(&folder(name).join("adapter"));
        let dir = tempfile::tempdir().unwrap();
        save_folder(dir.path(), &*was.model, None, &ModelCard::default()).unwrap();
        let saved = Weights::open(&dir.path().join("adapter_model.safetensors")).unwrap();
        let original =
            Weights::open(&folder(name).join("adapter/adapter_model.safetensors")).unwrap();
        let shapes: Map<String, Value> =
            saved.names().map(|n| (n.to_owned(), json!(saved.shape(n).unwrap()))).collect();
        assert_eq!(Value::Object(shapes), read(&folder(name).join("adapter_keys.json")), "{name}");
        for tensor in saved.names() {
            assert_eq!(saved.bytes(tensor).unwrap(), original.bytes(tensor).unwrap(), "{tensor}");
        }
        let is = read(&dir.path().join("adapter_config.json"));
        let of_peft = read(&folder(name).join("adapter/adapter_config.json"));
        for (key, value) in is.as_object().unwrap() {
            match key.as_str() {
                "base_model_name_or_path" => {
                    let base = folder(name).join("base").canonicalize().unwrap();
                    assert_eq!(value, base.to_str().unwrap());
                }
                // sst names each layer of an adapter that it has loaded, and the modules that the model has.
                "target_modules" | "modules_to_save" => {}
                _ => assert_eq!(of_peft.get(key), Some(value), "{name}: {key}"),
            }
        }
        assert!(!dir.path().join("model.safetensors").exists());
        let card = std::fs::read_to_string(dir.path().join("README.md")).unwrap();
        assert!(card.contains("library_name: \"peft\"") && card.contains("base_model: "), "{card}");
        let again = found(dir.path());
        assert_eq!(again.unused.of(UnusedKind::File).count(), 0);
        for (parameter, tensor) in was.model.params().iter() {
            assert!(again.model.params().get(parameter).unwrap().equal(tensor), "{parameter}");
        }
    }
}

fn lora(targets: &[&str]) -> LoraConfig {
    let targets = match targets {
        [] => LoraTargets::AllLinear,
        names => LoraTargets::Named(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    LoraConfig { rank: 3, alpha: 6.0, dropout: 0.1, use_rslora: false, targets }
}

fn training(kind: HeadKind, lora: LoraConfig) -> LoadOptions {
    LoadOptions {
        head: LoadHead::New(kind),
        config: label_keys(&["a", "b"].map(str::to_owned)),
        lora: Some(lora),
        seed: 8,
        ..LoadOptions::new(Device::Cpu)
    }
}

/// A new adapter changes nothing at first, as `B` is zero, and only its matrices and the head are trained.
#[test]
fn a_new_adapter_begins_as_its_base_model() {
    for (base, kind, targets, whole) in [
        ("bert/plain", SEQUENCE, &["query", "value"][..], &["bert.pooler.dense", "classifier"][..]),
        ("bert/plain", TOKEN, &[], &["classifier"]),
        ("causal/gpt2", SEQUENCE, &["c_attn"], &["score"]),
        ("causal/llama", HeadKind::Span, &[], &["qa_outputs"]),
        ("causal/llama", HeadKind::LanguageModel, &[], &[]),
    ] {
        let loaded = open(&golden(base), &training(kind, lora(targets))).unwrap();
        let model = &*loaded.model;
        let plain = LoadOptions { lora: None, ..training(kind, lora(targets)) };
        let plain = open(&golden(base), &plain).unwrap().model;
        let case = Case::open(&golden("heads/sequence"));
        let ids = case.get("input_ids").clamp_max(40);
        let hidden = |model: &dyn Model| {
            let encoder = model.text_encoder().unwrap();
            let output = encoder.encode(Tokens::new(&ids).into(), Forward::EVAL).unwrap();
            let head = model.head(kind).unwrap();
            head.logits(&output.select(head.input(), &ids).unwrap(), Forward::EVAL).unwrap()
        };
        close(base, &hidden(model), &hidden(&*plain), 1e-6);
        for (name, parameter) in model.params().iter() {
            let is_whole = whole.iter().any(|module| name.starts_with(&format!("{module}.")));
            let is_matrix = name.contains(".lora_");
            assert_eq!(parameter.requires_grad(), is_whole || is_matrix, "{base}: {name}");
            if let Some(layer) = name.strip_suffix(".lora_A.weight") {
                let bound = (parameter.size()[1] as f64).powf(-0.5);
                let most = parameter.abs().max().double_value(&[]);
                assert!(most <= bound && most > 0.8 * bound, "{base}: {name}: {most} {bound}");
                let b = model.params().get(&format!("{layer}.lora_B.weight")).unwrap();
                assert_eq!(b.abs().max().double_value(&[]), 0.0);
            }
        }
        let again = open(&golden(base), &training(kind, lora(targets))).unwrap();
        let other = LoadOptions { seed: 9, ..training(kind, lora(targets)) };
        let other = open(&golden(base), &other).unwrap();
        let first = |loaded: &Loaded| {
            let matrix = loaded.model.params().iter().find(|(name, _)| name.contains(".lora_A."));
            matrix.unwrap().1.copy()
        };
        assert!(first(&loaded).equal(&first(&again)) && !first(&loaded).equal(&first(&other)));
        // What is saved is loaded again, with the names of the classes.
        let dir = tempfile::tempdir().unwrap();
        save_folder(dir.path(), model, None, &ModelCard::default()).unwrap();
        let again = found(dir.path());
        assert_eq!(again.model.config()["architectures"], model.config()["architectures"]);
        assert_eq!(again.model.config()["id2label"], json!({"0": "a", "1": "b"}));
        for (name, tensor) in model.params().iter() {
            assert!(again.model.params().get(name).unwrap().equal(tensor), "{base}: {name}");
        }
        assert_eq!(adapter_base(dir.path()).unwrap(), golden(base).canonicalize().unwrap());
    }
}

#[test]
fn dropout_is_active_in_training_alone() {
    let _turn = crate::generator();
    let mut options = training(SEQUENCE, lora(&["query", "output.dense"]));
    if let Some(lora) = &mut options.lora {
        lora.dropout = 0.5;
    }
    for key in ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"] {
        options.config.insert(key.to_owned(), json!(0.0));
    }
    let mut loaded = open(&golden("bert/plain"), &options).unwrap();
    let names: Vec<String> =
        loaded.model.params().iter().map(|(name, _)| name.to_owned()).collect();
    for name in names.iter().filter(|name| name.ends_with(".lora_B.weight")) {
        let size = loaded.model.params().get(name).unwrap().size();
        let ones = Tensor::ones(size.as_slice(), (Kind::Float, Device::Cpu));
        loaded.model.params_mut().assign(name, &ones).unwrap();
    }
    let ids = Tensor::from_slice(&[3_i64, 4, 5, 6]).unsqueeze(0);
    let run = |forward: Forward| {
        let encoder = loaded.model.text_encoder().unwrap();
        encoder.encode(Tokens::new(&ids).into(), forward).unwrap().hidden_bld
    };
    assert!(run(Forward::EVAL).equal(&run(Forward::EVAL)));
    assert!(!run(Forward::TRAIN).equal(&run(Forward::TRAIN)));
}

#[test]
fn targets_that_name_no_layer_are_refused() {
    for (targets, part) in [
        (&["query", "quarry"][..], "`quarry` is no linear layer"),
        (&["classifier"], "`classifier` is no linear layer"),
        (&["word_embeddings"], "`word_embeddings` is no linear layer"),
    ] {
        let error = error(&golden("bert/plain"), &training(SEQUENCE, lora(targets)));
        assert!(error.contains("lora.targets") && error.contains(part), "{error}");
        assert!(error.contains("query, value"), "{error}");
        assert!(!error.contains("embeddings, "), "{error}");
    }
    // Nothing but the adapter would hold a head of this kind.
    let error = error(
        &golden("heads/sequence"),
        &LoadOptions { config: Map::new(), ..training(HeadKind::LanguageModel, lora(&[])) },
    );
    assert!(error.contains("train the head first"), "{error}");
}

/// Writes adapters and merged models for `tests/parity/lora.py`, which compares their logits in PEFT and transformers.
#[test]
fn folders_for_peft() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lora-folders");
    let _ = std::fs::remove_dir_all(&out);
    for (name, base, kind, targets) in [
        ("bert", "bert/plain", SEQUENCE, &["query", "value"][..]),
        ("bert-pooled", "heads/two", SEQUENCE, &["output.dense", "pooler.dense"]),
        ("bert-token", "bert/odd", TOKEN, &[]),
        ("bert-span", "bert/relu", HeadKind::Span, &[]),
        ("gpt2", "causal/gpt2", SEQUENCE, &["c_attn", "c_proj"]),
        ("gpt2-token", "causal/gpt2-odd", TOKEN, &[]),
        // transformers loads this architecture from a folder of the same one only.
        ("llama-span", "heads/llama-span", HeadKind::Span, &["q_proj", "down_proj"]),
        ("llama-token", "causal/llama", TOKEN, &[]),
        ("llama-causal", "causal/llama", HeadKind::LanguageModel, &[]),
    ] {
        let mut options = training(kind, lora(targets));
        if let (Some(lora), "bert-token") = (&mut options.lora, name) {
            lora.use_rslora = true;
        }
        let mut loaded = open(&golden(base), &options).unwrap();
        let model = &mut *loaded.model;
        let trained: Vec<(String, Vec<i64>)> =
            model.params().trainable().map(|(name, p)| (name.to_owned(), p.size())).collect();
        for (i, (name, size)) in (0..).zip(&trained) {
            let mut rng = sst_data::SeqRng::new(5, "test.lora", 0, i);
            let count: i64 = size.iter().product();
            let values: Vec<f32> = (0..count).map(|_| rng.normal() as f32 * 0.2).collect();
            let value = Tensor::from_slice(&values).reshape(size.as_slice());
            model.params_mut().assign(name, &value).unwrap();
        }
        let case = Case::open(&golden("heads/sequence"));
        let ids = case.get("input_ids").clamp_max(40);
        let mask = case.get("attention_mask");
        let logits = |model: &dyn Model| {
            let bools = mask.to_kind(Kind::Bool);
            let tokens = Tokens { attention_mask: Some(&bools), ..Tokens::new(&ids) };
            let output =
                model.text_encoder().unwrap().encode(tokens.into(), Forward::EVAL).unwrap();
            let head = model.head(kind).unwrap();
            let logits =
                head.logits(&output.select(head.input(), &ids).unwrap(), Forward::EVAL).unwrap();
            match logits.size()[0] == ids.size()[0] {
                true => logits,
                false => logits.reshape([ids.size()[0], ids.size()[1], -1]) * mask.unsqueeze(-1),
            }
        };
        let folder = out.join(name);
        let card = ModelCard::default();
        save_folder(&folder.join("adapter"), model, None, &card).unwrap();
        let mut tensors = std::collections::BTreeMap::from([
            ("logits".to_owned(), logits(model).detach()),
            ("input_ids".to_owned(), ids.shallow_clone()),
            ("attention_mask".to_owned(), mask.shallow_clone()),
        ]);
        merge(model).unwrap();
        save_folder(&folder.join("merged"), model, None, &card).unwrap();
        tensors.insert("merged_logits".to_owned(), logits(model).detach());
        let path = folder.join("case.safetensors");
        sst_core::checkpoint::write_tensors(&path, &tensors, &[]).unwrap();
    }
}
