//! Every unknown file, key or tensor in a folder is listed by its name, and nothing else is listed.

use std::path::Path;

use serde_json::{Value, json};
use sst_data::Ledger;
use sst_models::{LoadOptions, Role, SentenceModel, SentenceOptions, open};
use tch::Device;
use tempfile::TempDir;

use crate::altered::{Content, altered};
use crate::case::golden;

/// The unused content of a folder whose model will be saved again.
fn listed(folder: &Path) -> Vec<String> {
    let options = LoadOptions { role: Role::Write, ..LoadOptions::new(Device::Cpu) };
    let ledger = Ledger::new();
    open(folder, &options).unwrap().add_to(&ledger);
    items(&ledger)
}

pub(crate) fn items(ledger: &Ledger) -> Vec<String> {
    let entries = ledger.entries().into_iter();
    let unused = entries.filter(|(name, _)| name.starts_with("unused."));
    unused.flat_map(|(_, entry)| entry.items).collect()
}

/// A model of `golden` without unknown content.
fn plain(golden: &str, content: &mut Content) {
    if golden == "bert/hub" {
        content.drop("pooler");
        content.drop("seq_relationship");
    }
}

const MODELS: [&str; 5] =
    ["bert/hub", "bert/plain", "causal/gpt2", "causal/llama", "causal/llama-odd"];

#[test]
fn a_folder_of_transformers_lists_nothing() {
    for name in MODELS {
        assert_eq!(listed(altered(name, |c| plain(name, c)).path()), [""; 0], "{name}");
    }
}

#[test]
fn a_config_as_transformers_4_wrote_it_lists_nothing() {
    let older = json!({
        "_name_or_path": "x", "torch_dtype": "float32", "gradient_checkpointing": false,
        "id2label": {"0": "a"}, "label2id": {"a": 0}, "problem_type": null, "pruned_heads": {},
        "output_attentions": false, "return_dict": true, "is_encoder_decoder": false,
        "chunk_size_feed_forward": 0, "task_specific_params": null, "max_length": 20, "do_sample": false,
        "temperature": 1.0, "top_k": 50, "repetition_penalty": 1.0, "sep_token_id": null,
        "tokenizer_class": null, "finetuning_task": null, "torchscript": false, "use_bfloat16": false,
    });
    for name in MODELS {
        let folder = altered(name, |content| {
            plain(name, content);
            for (key, value) in older.as_object().unwrap() {
                content.set(key, value.clone());
            }
        });
        assert_eq!(listed(folder.path()), [""; 0], "{name}");
    }
}

#[test]
fn one_unknown_thing_is_listed_by_name() {
    // Keys of the three configs.
    for (golden, key, value) in [
        ("bert/hub", "embedding_size", json!(16)),
        ("bert/hub", "rotary_value", json!(true)),
        ("bert/hub", "layer_norm_position", json!("pre")),
        ("causal/gpt2", "attention_sinks", json!(4)),
        ("causal/gpt2", "alibi", json!(true)),
        ("causal/llama", "sliding_window", json!(8)),
        ("causal/llama", "logit_scale", json!(0.5)),
        ("causal/llama", "attn_logit_softcapping", json!(30.0)),
        ("causal/llama", "auto_map", json!({"AutoModel": "custom.Model"})),
    ] {
        let folder = altered(golden, |content| {
            plain(golden, content);
            content.set(key, value);
        });
        assert_eq!(listed(folder.path()), [format!("config.json: {key}")], "{golden}");
    }
    // Tensors.
    for (golden, name) in [
        ("bert/hub", "bert.encoder.layer.0.adapter.weight"),
        ("bert/hub", "bert.encoder.layer.2.output.dense.bias"),
        ("causal/gpt2", "transformer.h.0.attn.rotary.weight"),
        ("causal/llama", "model.layers.0.self_attn.q_norm.weight"),
    ] {
        let folder = altered(golden, |content| {
            plain(golden, content);
            content.add(name);
        });
        assert_eq!(listed(folder.path()), [name], "{golden}");
    }
    // Files.
    for (name, expected) in [
        ("adapter_model.safetensors", "adapter_model.safetensors"),
        ("modeling_custom.py", "modeling_custom.py"),
        ("checkpoint-500/x", "checkpoint-500/"),
        ("modules.json", "modules.json"),
        ("model.safetensors.index.json", "model.safetensors.index.json"),
    ] {
        let folder = altered("causal/llama", |_| {});
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "[]").unwrap();
        assert_eq!(listed(folder.path()), [expected]);
    }
}

#[test]
fn files_that_are_kept_or_do_not_matter_are_not_listed() {
    let folder = altered("causal/llama", |_| {});
    for name in [
        "generation_config.json",
        "chat_template.jinja",
        "README.md",
        "LICENSE.txt",
        ".gitattributes",
        "pytorch_model.bin",
        "tokenizer.model",
        "training_args.bin",
    ] {
        std::fs::write(folder.path().join(name), "{}").unwrap();
    }
    assert_eq!(listed(folder.path()), [""; 0]);
}

#[test]
fn a_key_that_changes_the_numbers_and_is_not_implemented_is_an_error() {
    for (golden, key, value) in [
        ("bert/hub", "position_embedding_type", json!("relative_key")),
        ("bert/hub", "is_decoder", json!(true)),
        ("bert/hub", "add_cross_attention", json!(true)),
        ("bert/hub", "pruned_heads", json!({"0": [1]})),
        ("bert/hub", "hidden_act", json!("prelu")),
        ("causal/gpt2", "add_cross_attention", json!(true)),
        ("causal/gpt2", "activation_function", json!("xielu")),
        ("causal/llama", "quantization_config", json!({"quant_method": "gptq", "bits": 4})),
        ("causal/llama", "hidden_act", json!("unheard_of")),
        ("causal/llama", "attention_bias", json!(true)),
        ("causal/llama", "mlp_bias", json!(true)),
    ] {
        let folder = altered(golden, |content| content.set(key, value));
        let error = open(folder.path(), &LoadOptions::new(Device::Cpu)).map(|_| ()).unwrap_err();
        let error = error.to_string();
        // A bias that the file lacks is missing in the head.
        assert!(
            error.contains(key) || error.contains("missing: ") && key.ends_with("bias"),
            "{error}"
        );
    }
}

/// A folder as sentence-transformers 6.2 writes it.
pub(crate) fn sentence_folder() -> TempDir {
    let folder = altered("bert/hub", |content| plain("bert/hub", content));
    let write = |name: &str, value: Value| {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, value.to_string()).unwrap();
    };
    for name in ["vocab.txt", "tokenizer.json", "tokenizer_config.json"] {
        std::fs::copy(golden("bert/hub").join(name), folder.path().join(name)).unwrap();
    }
    let module = |i: usize, path: &str, class: &str| {
        let class = format!("sentence_transformers.models.{class}");
        json!({"idx": i, "name": i.to_string(), "path": path, "type": class})
    };
    write(
        "modules.json",
        json!([
            module(0, "", "Transformer"),
            module(1, "1_Pooling", "Pooling"),
            module(2, "2_Normalize", "Normalize")
        ]),
    );
    write(
        "1_Pooling/config.json",
        json!({"embedding_dimension": 32, "pooling_mode": "mean", "include_prompt": true}),
    );
    let output = json!({"module_input_name": "sentence_embedding", "module_output_name": "sentence_embedding"});
    write("2_Normalize/config.json", output);
    write(
        "config_sentence_transformers.json",
        json!({
            "__version__": {"sentence_transformers": "6.2.0"}, "default_prompt_name": null,
            "model_type": "SentenceTransformer", "prompts": {"document": "", "query": ""},
            "similarity_fn_name": "cosine",
        }),
    );
    write(
        "sentence_bert_config.json",
        json!({
            "transformer_task": "feature-extraction",
            "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
            "module_output_name": "token_embeddings",
        }),
    );
    folder
}

fn sentence(change: impl FnOnce(&Path)) -> Result<Vec<String>, String> {
    let folder = sentence_folder();
    change(folder.path());
    let ledger = Ledger::new();
    let loaded =
        SentenceModel::load(folder.path(), Device::Cpu, SentenceOptions::default(), &ledger);
    loaded.map(|_| items(&ledger)).map_err(|error| error.to_string())
}

pub(crate) fn edit(folder: &Path, name: &str, key: &str, value: Value) {
    let path = folder.join(name);
    let mut file: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    file[key] = value;
    std::fs::write(path, file.to_string()).unwrap();
}

#[test]
fn one_unknown_key_of_sentence_transformers_is_listed_by_name() {
    assert_eq!(sentence(|_| {}).unwrap(), [""; 0]);
    for (name, key, value) in [
        ("1_Pooling/config.json", "pooling_weights", json!([1, 2])),
        ("2_Normalize/config.json", "p", json!(1)),
        ("config_sentence_transformers.json", "score_scale", json!(20)),
        ("sentence_bert_config.json", "tokenizer_args", json!({"padding_side": "left"})),
        ("sentence_bert_config.json", "pad_to", json!(8)),
    ] {
        let listed = sentence(|folder| edit(folder, name, key, value)).unwrap();
        assert_eq!(listed, [format!("{name}: {key}")]);
    }
    let listed = sentence(|folder| {
        let modules = std::fs::read_to_string(folder.join("modules.json")).unwrap();
        let modules = modules.replacen("\"idx\":1", "\"idx\":1,\"kwargs\":[\"task\"]", 1);
        std::fs::write(folder.join("modules.json"), modules).unwrap();
    });
    assert_eq!(listed.unwrap(), ["modules.json: kwargs"]);
}

#[test]
fn modules_stay_within_the_folder_and_lists_are_bounded() {
    let with_path = |path: &'static str| {
        sentence(move |folder| {
            let modules = std::fs::read_to_string(folder.join("modules.json")).unwrap();
            std::fs::write(folder.join("modules.json"), modules.replace("1_Pooling", path))
                .unwrap();
        })
    };
    for path in ["../elsewhere", "/etc", "1_Pooling/../../x"] {
        let error = with_path(path).unwrap_err();
        assert!(error.contains(path) && error.contains("within this one"), "{error}");
    }
    let outside = tempfile::tempdir().unwrap();
    let outside_path = outside.path().to_owned();
    let linked = sentence(move |folder| {
        std::fs::write(outside_path.join("config.json"), r#"{"pooling_mode": "max"}"#).unwrap();
        std::fs::remove_dir_all(folder.join("1_Pooling")).unwrap();
        std::os::unix::fs::symlink(&outside_path, folder.join("1_Pooling")).unwrap();
    });
    assert!(linked.unwrap_err().contains("within this one"));
    let many = sentence(|folder| {
        edit(folder, "1_Pooling/config.json", "pooling_mode", json!(vec!["mean"; 100_000]));
    });
    assert!(many.unwrap_err().contains("names 100000"));
}
