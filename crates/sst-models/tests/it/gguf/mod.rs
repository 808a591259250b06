//! GGUF files that are made here: a small model there and back, and files that are broken.

use serde_json::Value;
use sst_core::checkpoint::{Allow, Weights};
use sst_models::{gguf, load};
use tch::{Device, Tensor};

use crate::case::golden;

enum Meta<'a> {
    Whole(u32),
    Real(f32),
    Text(&'a str),
    Texts(&'a [&'a str]),
    Wholes(&'a [i32]),
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// A file of fp32 tensors.
fn file(metadata: &[(&str, Meta<'_>)], tensors: &[(String, Tensor)]) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(3_u32.to_le_bytes());
    out.extend((tensors.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in metadata {
        text(&mut out, key);
        match value {
            Meta::Whole(n) => out.extend([4_u32.to_le_bytes(), n.to_le_bytes()].concat()),
            Meta::Real(x) => out.extend([6_u32.to_le_bytes(), x.to_le_bytes()].concat()),
            Meta::Text(value) => {
                out.extend(8_u32.to_le_bytes());
                text(&mut out, value);
            }
            Meta::Texts(values) => {
                out.extend([9_u32.to_le_bytes(), 8_u32.to_le_bytes()].concat());
                out.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| text(&mut out, value));
            }
            Meta::Wholes(values) => {
                out.extend([9_u32.to_le_bytes(), 5_u32.to_le_bytes()].concat());
                out.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
        }
    }
    let mut data = Vec::new();
    for (name, tensor) in tensors {
        text(&mut out, name);
        let size = tensor.size();
        out.extend((size.len() as u32).to_le_bytes());
        size.iter().rev().for_each(|n| out.extend((*n as u64).to_le_bytes()));
        out.extend(0_u32.to_le_bytes());
        out.extend((data.len() as u64).to_le_bytes());
        let numbers = Vec::<f32>::try_from(tensor.flatten(0, -1)).unwrap();
        data.extend(numbers.iter().flat_map(|x| x.to_le_bytes()));
        data.resize(data.len().next_multiple_of(32), 0);
    }
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(data);
    out
}

/// Rows of queries and keys in the order of GGUF: those that turn together side by side.
fn pairs(rows: &Tensor, heads: i64) -> Tensor {
    rows.unflatten(0, [heads, 2, -1]).transpose(1, 2).contiguous().flatten(0, 2)
}

/// The golden Llama under the names of GGUF.
fn tensors() -> Vec<(String, Tensor)> {
    let weights = Weights::open(&golden("causal/llama")).unwrap();
    let rename = |name: &str| {
        let name = name.trim_start_matches("model.");
        let name = match name {
            "embed_tokens.weight" => return "token_embd.weight".to_owned(),
            "norm.weight" => return "output_norm.weight".to_owned(),
            name => name.replace("layers.", "blk."),
        };
        [
            ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
            ("self_attn.q_proj", "attn_q"),
            ("self_attn.k_proj", "attn_k"),
            ("self_attn.v_proj", "attn_v"),
            ("self_attn.o_proj", "attn_output"),
            ("mlp.gate_proj", "ffn_gate"),
            ("mlp.up_proj", "ffn_up"),
            ("mlp.down_proj", "ffn_down"),
        ]
        .iter()
        .fold(name, |name, (own, theirs)| name.replace(own, theirs))
    };
    let tensor = |name: &str| {
        let tensor = weights.tensor(name).unwrap();
        match name {
            name if name.contains("q_proj") => pairs(&tensor, 4),
            name if name.contains("k_proj") => pairs(&tensor, 2),
            _ => tensor,
        }
    };
    weights.names().map(|name| (rename(name), tensor(name))).collect()
}

const TOKENS: [&str; 4] = ["<|end|>", "a", "b", "ab"];

fn metadata<'a>() -> Vec<(&'a str, Meta<'a>)> {
    vec![
        ("general.architecture", Meta::Text("llama")),
        ("llama.block_count", Meta::Whole(2)),
        ("llama.context_length", Meta::Whole(40)),
        ("llama.embedding_length", Meta::Whole(32)),
        ("llama.feed_forward_length", Meta::Whole(48)),
        ("llama.attention.head_count", Meta::Whole(4)),
        ("llama.attention.head_count_kv", Meta::Whole(2)),
        ("llama.attention.layer_norm_rms_epsilon", Meta::Real(1e-6)),
        ("llama.rope.freq_base", Meta::Real(10_000.0)),
        ("llama.rope.dimension_count", Meta::Whole(8)),
        ("tokenizer.ggml.model", Meta::Text("gpt2")),
        ("tokenizer.ggml.pre", Meta::Text("smollm")),
        ("tokenizer.ggml.tokens", Meta::Texts(&TOKENS)),
        ("tokenizer.ggml.token_type", Meta::Wholes(&[3, 1, 1, 1])),
        ("tokenizer.ggml.merges", Meta::Texts(&["a b"])),
        ("tokenizer.ggml.eos_token_id", Meta::Whole(0)),
    ]
}

fn read(bytes: &[u8]) -> Result<gguf::Converted, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    gguf::read(&path).map_err(|error| error.to_string())
}

#[test]
fn a_file_holds_the_model_that_it_was_made_of() {
    let found = read(&file(&metadata(), &tensors())).unwrap();
    let want = load(&golden("causal/llama"), None, Device::Cpu, &Allow::default()).unwrap().0;
    assert_eq!(found.model.params().iter().count(), want.params().iter().count());
    for (name, tensor) in want.params().iter() {
        assert!(found.model.params().get(name).unwrap().equal(tensor), "{name}");
    }
    let (found_config, want_config) = (found.model.config(), want.config());
    for key in ["rope_parameters", "rms_norm_eps", "tie_word_embeddings", "num_key_value_heads"] {
        assert_eq!(found_config[key], want_config[key], "{key}");
    }
    let bytes = found.tokenizer.to_string();
    let tokenizer = sst_data::tokenize::Tokenizer::from_json("t", bytes.as_bytes()).unwrap();
    assert_eq!(tokenizer.encode("abba<|end|>").unwrap(), [3, 2, 1, 0]);
    assert_eq!(found.tokenizer_config["eos_token"], Value::from("<|end|>"));
}

#[test]
fn broken_and_foreign_files_are_refused_by_what_is_wrong() {
    let whole = file(&metadata(), &tensors());
    let check = |bytes: &[u8], expected: &str| {
        let error = read(bytes).map(|_| ()).unwrap_err();
        assert!(error.contains("model.gguf") && error.contains(expected), "{expected}: {error}");
    };
    check(b"PK..and so on", "no GGUF file");
    check(&whole[..200], "cut off in its header");
    check(&whole[..whole.len() - 40], "is not all there");
    let mut version = whole.clone();
    version[4] = 1;
    check(&version, "GGUF version 1");
    let mut long = whole.clone();
    long[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
    check(&long, "a count that cannot be");
    let with = |key: &str, value: Meta<'static>| {
        let mut all = metadata();
        all.retain(|(other, _)| *other != key);
        all.push((Box::leak(key.to_owned().into_boxed_str()), value));
        file(&all, &tensors())
    };
    check(&with("general.architecture", Meta::Text("mamba")), "architecture `mamba`");
    check(&with("tokenizer.ggml.model", Meta::Text("llama")), "a `llama` tokenizer");
    check(&with("tokenizer.ggml.pre", Meta::Text("qwen2")), "as `qwen2` does");
    check(&with("tokenizer.ggml.eos_token_id", Meta::Whole(9)), "no token 9");
    check(&with("llama.rope.scaling.type", Meta::Text("yarn")), "stretched rotary positions");
    check(&with("llama.block_count", Meta::Whole(3)), "lacks the tensor of `model.layers.2.");
    check(&with("llama.block_count", Meta::Whole(1)), "has not: `blk.1.");
}
