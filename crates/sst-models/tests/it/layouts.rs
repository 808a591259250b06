//! Which tensors may be missing from a file of weights, and which may be additional, for each architecture.

use std::path::Path;

use serde_json::{Value, json};
use sst_core::{Forward, HeadKind, Tokens};
use sst_data::{Ledger, UnusedKind};
use sst_models::{HostModel, LoadHead, LoadOptions, ModelCard, Role, open};
use tch::{Device, Tensor};

use crate::altered::{Content, altered};
use crate::case::{Case, close, golden};

const AS_FOUND: LoadHead = LoadHead::AsFound;
const NEEDED: LoadHead = LoadHead::Needed(HeadKind::LanguageModel);
const NEW: LoadHead = LoadHead::New(HeadKind::LanguageModel);

type Change = fn(&mut Content);

/// The result of loading a folder.
#[derive(Clone, Copy)]
struct Comes {
    architecture: &'static str,
    /// Tensors that are not used, parameters that the model does without, and parameters with the initial values of a
    /// new model: prefixes of their names, and how many there are.
    unused: &'static [(&'static str, usize)],
    absent: &'static [(&'static str, usize)],
    new: &'static [(&'static str, usize)],
}

const ALL_USED: Comes = Comes { architecture: "", unused: &[], absent: &[], new: &[] };

fn is(architecture: &'static str) -> Result<Comes, &'static str> {
    Ok(Comes { architecture, ..ALL_USED })
}

fn unused(
    architecture: &'static str,
    unused: &'static [(&'static str, usize)],
) -> Result<Comes, &'static str> {
    Ok(Comes { architecture, unused, ..ALL_USED })
}

fn check(golden: &str, label: &str, head: LoadHead, change: Change, want: Result<Comes, &str>) {
    let folder = altered(golden, change);
    let options = LoadOptions { head, ..LoadOptions::new(Device::Cpu) };
    let found = open(folder.path(), &options);
    let label = format!("{golden}, {label}, {head:?}");
    let (loaded, want) = match (found, want) {
        (Ok(loaded), Ok(want)) => (loaded, want),
        (Err(error), Err(want)) => {
            assert!(error.to_string().contains(want), "{label}: {error}");
            return;
        }
        (Ok(_), Err(want)) => panic!("{label}: loaded, and should not: {want}"),
        (Err(error), Ok(_)) => panic!("{label}: {error}"),
    };
    assert_eq!(loaded.model.config()["architectures"], json!([want.architecture]), "{label}");
    let ledger = Ledger::new();
    loaded.add_to(&ledger);
    let entries = ledger.entries();
    for (name, want) in [
        ("unused.tensors", want.unused),
        ("weights.absent", want.absent),
        ("weights.new", want.new),
    ] {
        let items = entries.get(name).map_or(&[][..], |entry| &entry.items);
        for (start, count) in want {
            let found = items.iter().filter(|item| item.starts_with(start)).count();
            assert_eq!(found, *count, "{label}: {name} {start} of {items:?}");
        }
        let total: usize = want.iter().map(|(_, count)| count).sum();
        assert_eq!(items.len(), total, "{label}: {name} {items:?}");
    }
}

fn task(content: &mut Content) {
    content.set("architectures", json!(["BertForSequenceClassification"]));
    content.drop("cls.");
    content.add("classifier.bias");
}

fn encoder(content: &mut Content) {
    content.drop("cls.");
}

#[test]
fn bert_is_what_its_file_holds() {
    const MASKED: &str = "BertForMaskedLM";
    const PRETRAINING: &str = "BertForPreTraining";
    let beside: &[(&str, usize)] = &[("bert.pooler.dense.", 2), ("cls.seq_relationship.", 2)];
    let pooler: &[(&str, usize)] = &[("bert.pooler.dense.", 2)];
    let head: &[(&str, usize)] = &[("cls.predictions.", 5)];
    let rows: &[(&str, LoadHead, Change, Result<Comes, &str>)] = &[
        ("as on the hub", AS_FOUND, |_| {}, unused(MASKED, beside)),
        ("as on the hub", NEEDED, |_| {}, unused(MASKED, beside)),
        ("as on the hub", NEW, |_| {}, unused(MASKED, beside)),
        ("architectures null", AS_FOUND, |c| c.set("architectures", Value::Null), is(PRETRAINING)),
        ("architectures empty", AS_FOUND, |c| c.set("architectures", json!([])), is(PRETRAINING)),
        (
            "no architectures",
            NEEDED,
            |c| {
                c.config.remove("architectures");
            },
            is(PRETRAINING),
        ),
        (
            "of all heads, named as an encoder",
            AS_FOUND,
            |c| c.set("architectures", json!(["BertModel"])),
            is(PRETRAINING),
        ),
        (
            "neither pooler nor sentence-pair head",
            AS_FOUND,
            |c| {
                c.drop("pooler");
                c.drop("seq_relationship");
            },
            is(MASKED),
        ),
        (
            "a sentence-pair head without a pooler",
            AS_FOUND,
            |c| {
                c.set("architectures", json!(["BertForPreTraining"]));
                c.drop("pooler");
            },
            Ok(Comes {
                unused: &[("cls.seq_relationship.", 2)],
                absent: &[("pooler.", 2)],
                architecture: MASKED,
                ..ALL_USED
            }),
        ),
        (
            "an encoder that names a head",
            AS_FOUND,
            encoder,
            Ok(Comes { absent: head, architecture: "BertModel", ..ALL_USED }),
        ),
        ("an encoder that names a head", NEEDED, encoder, Err("holds no head for masked tokens")),
        (
            "an encoder that names a head",
            NEW,
            encoder,
            Ok(Comes { new: head, unused: pooler, architecture: MASKED, ..ALL_USED }),
        ),
        (
            "an encoder without a pooler",
            AS_FOUND,
            |c| {
                c.set("architectures", json!(["BertModel"]));
                c.drop("cls.");
                c.drop("pooler");
            },
            Ok(Comes { absent: &[("pooler.", 2)], architecture: "BertModel", ..ALL_USED }),
        ),
        (
            "of half a task head",
            AS_FOUND,
            task,
            Ok(Comes {
                unused: &[("classifier.bias", 1)],
                absent: &[("classifier.weight", 1)],
                architecture: "BertModel",
                ..ALL_USED
            }),
        ),
        ("of a task", NEEDED, task, Err("holds no head for masked tokens")),
        (
            "a decoder bias alone",
            NEEDED,
            |c| {
                c.tensors.remove("cls.predictions.bias");
            },
            unused(MASKED, beside),
        ),
        (
            "a projection and no embeddings",
            NEEDED,
            |c| {
                c.tensors.remove("bert.embeddings.word_embeddings.weight");
            },
            unused(MASKED, beside),
        ),
        (
            "half a head",
            AS_FOUND,
            |c| c.drop("transform.dense"),
            Err("missing: cls.predictions.transform.dense.weight"),
        ),
        (
            "a layer without a bias",
            AS_FOUND,
            |c| c.drop("layer.1.output.dense.bias"),
            Err("missing: bert.encoder.layer.1.output.dense.bias"),
        ),
        (
            "fewer layers",
            AS_FOUND,
            |c| c.set("num_hidden_layers", 60_000),
            Err("missing: bert.encoder.layer.2."),
        ),
        (
            "a larger vocabulary",
            AS_FOUND,
            |c| c.set("vocab_size", 100_000_000),
            Err("word_embeddings.weight is [100000000, 32] in the model and [74, 32] in the file"),
        ),
        (
            "a size that cannot be",
            AS_FOUND,
            |c| c.set("hidden_size", i64::MAX),
            Err("can be at most"),
        ),
        (
            "wrapped names",
            NEEDED,
            |c| {
                c.tensors = std::mem::take(&mut c.tensors)
                    .into_iter()
                    .map(|(name, tensor)| (format!("module.{name}"), tensor))
                    .collect();
            },
            Err("unexpected: module.bert."),
        ),
    ];
    for (label, head, change, want) in rows {
        check("bert/hub", label, *head, *change, *want);
    }
}

#[test]
fn causal_models_are_what_their_files_hold() {
    for (golden, with_head, base, of_task) in [
        ("causal/gpt2", "GPT2LMHeadModel", "GPT2Model", "GPT2ForSequenceClassification"),
        ("causal/llama", "LlamaForCausalLM", "LlamaModel", "LlamaForSequenceClassification"),
    ] {
        let named = |name: Option<&'static str>, head, want| {
            let folder = altered(golden, |content| {
                match name {
                    Some(name) => content.set("architectures", json!([name])),
                    None => content.set("architectures", Value::Null),
                }
                let score = Tensor::ones([2, 32], (tch::Kind::Float, Device::Cpu));
                content.tensors.insert("score.weight".to_owned(), score);
            });
            let options = LoadOptions { head, ..LoadOptions::new(Device::Cpu) };
            let loaded = open(folder.path(), &options).unwrap();
            assert_eq!(loaded.model.config()["architectures"], json!([want]), "{name:?} {head:?}");
            let unused: &[&str] = if want == of_task { &[] } else { &["score.weight"] };
            assert_eq!(loaded.unused.of(UnusedKind::Tensor).collect::<Vec<_>>(), unused);
        };
        // The head is tied, so there is always one.
        named(Some(with_head), AS_FOUND, with_head);
        named(None, AS_FOUND, with_head);
        named(Some(base), AS_FOUND, base);
        named(Some(base), NEEDED, with_head);
        named(Some(of_task), AS_FOUND, of_task);
        named(Some(of_task), NEEDED, with_head);
        named(Some(of_task), NEW, with_head);
    }
    for (golden, with_head, base) in [
        ("causal/gpt2-odd", "GPT2LMHeadModel", "GPT2Model"),
        ("causal/llama-odd", "LlamaForCausalLM", "LlamaModel"),
    ] {
        // An untied head needs its projection in the file.
        let no_head: Change = |content| content.drop("lm_head");
        let absent = &[("lm_head.weight", 1)];
        check(
            golden,
            "no head",
            AS_FOUND,
            no_head,
            Ok(Comes { architecture: base, absent, ..ALL_USED }),
        );
        check(golden, "no head", NEEDED, no_head, Err("holds no vocabulary projection"));
        check(
            golden,
            "no head",
            NEW,
            no_head,
            Ok(Comes { architecture: with_head, new: absent, ..ALL_USED }),
        );
        check(
            golden,
            "a head",
            NEEDED,
            |content| content.set("architectures", json!(["Odd"])),
            is(with_head),
        );
        check(
            golden,
            "fewer layers",
            AS_FOUND,
            |content| {
                content.set("n_layer", 50_000);
                content.set("num_hidden_layers", 50_000);
            },
            Err("missing: "),
        );
    }
}

fn logits(folder: &std::path::Path, case: &Case) -> Tensor {
    let options = LoadOptions { head: NEEDED, ..LoadOptions::new(Device::Cpu) };
    let model = open(folder, &options).unwrap().model;
    let ids = case.get("input_ids");
    let input = Tokens::new(&ids);
    let hidden =
        model.text_encoder().unwrap().encode(input.into(), Forward::EVAL).unwrap().hidden_bld;
    model.lm_head().unwrap().logits(&hidden.flatten(0, 1), Forward::EVAL).unwrap()
}

#[test]
fn the_layout_of_the_hub_gives_the_numbers_of_transformers() {
    let (folder, case) = (golden("bert/hub"), Case::open(&golden("bert/hub")));
    close("logits", &logits(&folder, &case), &case.get("logits").flatten(0, 1), 1e-5);
}

/// The logits follow from the head that the file holds, before and after the model is saved again.
#[test]
fn a_head_that_differs_from_the_embeddings_is_used_and_kept() {
    for (golden_name, head, words) in [
        ("bert/hub", "cls.predictions.decoder.weight", "bert.embeddings.word_embeddings.weight"),
        ("causal/gpt2", "lm_head.weight", "transformer.wte.weight"),
        ("causal/llama", "lm_head.weight", "model.embed_tokens.weight"),
    ] {
        let ids = Tensor::from_slice(&[5_i64, 9, 7]).unsqueeze(0);
        let run = |folder: &std::path::Path| -> (Tensor, Value, Vec<String>) {
            let options =
                LoadOptions { head: NEEDED, role: Role::Write, ..LoadOptions::new(Device::Cpu) };
            let loaded = open(folder, &options).unwrap();
            let input = Tokens::new(&ids);
            let hidden = loaded
                .model
                .text_encoder()
                .unwrap()
                .encode(input.into(), Forward::EVAL)
                .unwrap()
                .hidden_bld;
            let scored = loaded.model.lm_head().unwrap();
            let logits = scored.logits(&hidden.flatten(0, 1), Forward::EVAL).unwrap();
            let keys = loaded.unused.of(UnusedKind::ConfigKey).map(str::to_owned).collect();
            let again = tempfile::tempdir().unwrap();
            HostModel::copy(&*loaded.model)
                .unwrap()
                .save(again.path(), None, &ModelCard::default())
                .unwrap();
            let second = open(again.path(), &options).unwrap().model;
            let hidden = second
                .text_encoder()
                .unwrap()
                .encode(input.into(), Forward::EVAL)
                .unwrap()
                .hidden_bld;
            let after =
                second.lm_head().unwrap().logits(&hidden.flatten(0, 1), Forward::EVAL).unwrap();
            assert!(after.equal(&logits), "{golden_name}: other logits after saving");
            (logits, second.config(), keys)
        };
        let double = |factor: f64| {
            altered(golden_name, move |content| {
                let tensor = &content.tensors[words] * factor;
                content.tensors.insert(head.to_owned(), tensor);
                // Of BERT's head nothing else depends on it.
                for name in ["cls.predictions.bias", "cls.predictions.decoder.bias"] {
                    if let Some(bias) = content.tensors.get_mut(name) {
                        *bias = bias.zeros_like();
                    }
                }
            })
        };
        let (same, config, keys) = run(double(1.0).path());
        assert_eq!(
            (&config["tie_word_embeddings"], keys.len()),
            (&json!(true), 0),
            "{golden_name}"
        );
        let (other, config, keys) = run(double(2.0).path());
        assert_eq!(config["tie_word_embeddings"], json!(false), "{golden_name}");
        assert!(keys.len() == 1 && keys[0].contains("tie_word_embeddings"), "{keys:?}");
        close(golden_name, &other, &(same * 2.0), 1e-6);
    }
}

#[test]
fn the_bias_of_an_untied_head_is_decoder_bias_and_is_written_under_both_names() {
    let folder = altered("bert/hub", |content| {
        content.set("tie_word_embeddings", false);
        let bias = content.tensors["cls.predictions.bias"].zeros_like();
        content.tensors.insert("cls.predictions.bias".to_owned(), bias);
    });
    let case = Case::open(&golden("bert/hub"));
    close("logits", &logits(folder.path(), &case), &case.get("logits").flatten(0, 1), 1e-5);
    let loaded = open(folder.path(), &LoadOptions::new(Device::Cpu)).unwrap();
    let unused = |folder: &Path| -> Vec<String> {
        let loaded = open(folder, &LoadOptions::new(Device::Cpu)).unwrap();
        loaded.unused.of(UnusedKind::Tensor).map(str::to_owned).collect()
    };
    // transformers writes zeros there; other numbers are reported.
    assert!(!unused(folder.path()).contains(&"cls.predictions.bias".to_owned()));
    let other = altered("bert/hub", |content| {
        content.set("tie_word_embeddings", false);
        let bias = content.tensors["cls.predictions.bias"].ones_like();
        content.tensors.insert("cls.predictions.bias".to_owned(), bias);
    });
    assert!(unused(other.path()).contains(&"cls.predictions.bias".to_owned()));
    let again = tempfile::tempdir().unwrap();
    HostModel::copy(&*loaded.model)
        .unwrap()
        .save(again.path(), None, &ModelCard::default())
        .unwrap();
    let saved = sst_core::checkpoint::Weights::open(again.path()).unwrap();
    let [bias, copy] = ["cls.predictions.bias", "cls.predictions.decoder.bias"];
    assert!(saved.same(bias, copy).unwrap());
    let want = Content::of("bert/hub").tensors.remove(copy).unwrap();
    assert!(saved.tensor(copy).unwrap().equal(&want));
}
