//! GGUF files that the tests make: a small model is written and read, and damaged files are refused.

mod build;
mod mutation;
mod quants;
mod read;

use sst_core::checkpoint::Weights;
use sst_models::gguf;
use tch::Tensor;

use self::build::{Meta, Raw, fp32};
use crate::case::golden;

/// Reorders the rows of queries and keys for GGUF: the two dimensions of a rotation are adjacent.
fn pairs(rows: &Tensor, heads: i64) -> Tensor {
    rows.unflatten(0, [heads, 2, -1]).transpose(1, 2).contiguous().flatten(0, 2)
}

/// The Llama of the goldens, with GGUF names.
fn tensors() -> Vec<Raw> {
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
    weights.names().map(|name| fp32(&rename(name), &tensor(name))).collect()
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
        ("tokenizer.ggml.tokens", Meta::Texts(TOKENS.to_vec())),
        ("tokenizer.ggml.token_type", Meta::Wholes(&[3, 1, 1, 1])),
        ("tokenizer.ggml.merges", Meta::Texts(vec!["a b"])),
        ("tokenizer.ggml.eos_token_id", Meta::Whole(0)),
    ]
}

fn read(bytes: &[u8]) -> Result<gguf::Converted, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    gguf::read(&path).map_err(|error| error.to_string())
}

/// The metadata with one more key, or another value for an existing key.
fn with<'a>(key: &'a str, value: Meta<'a>) -> Vec<(&'a str, Meta<'a>)> {
    let mut all = metadata();
    all.retain(|(other, _)| *other != key);
    all.push((key, value));
    all
}

/// A file with this metadata.
fn file_with(key: &str, value: Meta<'_>) -> Vec<u8> {
    build::file(&with(key, value), &tensors())
}
