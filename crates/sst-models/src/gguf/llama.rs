//! Configuration and weights of architecture `llama`.

use serde_json::{Value, json};
use sst_core::Model;
use tch::Tensor;

use super::file::{Gguf, MetaValue};
use crate::error::ModelError;

/// The config.json of the model.
pub(super) fn config(gguf: &Gguf) -> Result<Value, ModelError> {
    let whole = |key: &str| gguf.whole(&format!("llama.{key}"));
    let real = |key: &str, default: f64| match gguf.find(&format!("llama.{key}")) {
        Some(MetaValue::Real(x)) => Ok(short(*x)),
        None => Ok(default),
        Some(other) => Err(gguf.bad(format!("llama.{key} is {other:?}; a number is needed"))),
    };
    let scaling = gguf.find("llama.rope.scaling.type");
    let is_plain = match scaling {
        None => true,
        Some(MetaValue::Text(kind)) => kind == "none",
        Some(_) => false,
    };
    if !is_plain || gguf.names().any(|name| name == "rope_freqs.weight") {
        return Err(gguf.bad("has stretched rotary positions, which sst does not read".into()));
    }
    let (_, words) = gguf.tensor("token_embd.weight")?;
    let heads = whole("attention.head_count")?;
    let width = whole("embedding_length")?;
    let head_width = whole("attention.key_length").unwrap_or(width / heads.max(1));
    if whole("rope.dimension_count").is_ok_and(|turned| turned != head_width) {
        return Err(gguf.bad("turns a part of each head alone, which sst does not read".into()));
    }
    let token = |role: &str| gguf.whole(&format!("tokenizer.ggml.{role}_token_id")).ok();
    Ok(json!({
        "model_type": "llama",
        "vocab_size": words[0],
        "hidden_size": width,
        "intermediate_size": whole("feed_forward_length")?,
        "num_hidden_layers": whole("block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": whole("attention.head_count_kv").unwrap_or(heads),
        "head_dim": head_width,
        "max_position_embeddings": whole("context_length")?,
        "rms_norm_eps": real("attention.layer_norm_rms_epsilon", 1e-6)?,
        "rope_theta": real("rope.freq_base", 10_000.0)?,
        "tie_word_embeddings": !gguf.names().any(|name| name == "output.weight"),
        "bos_token_id": token("bos"),
        "eos_token_id": token("eos"),
        "pad_token_id": token("padding"),
    }))
}

/// A number of single precision, as it is usually written: 1e-5 and not 0.000009999999747378752.
fn short(x: f64) -> f64 {
    (x as f32).to_string().parse().unwrap_or(x)
}

/// What the parts of a name are called here and there.
const PARTS: [(&str, &str); 9] = [
    ("attn_norm", "input_layernorm"),
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_norm", "post_attention_layernorm"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// The parameter that a tensor is.
fn parameter(name: &str) -> Option<String> {
    match name {
        "token_embd.weight" => return Some("model.embed_tokens.weight".to_owned()),
        "output_norm.weight" => return Some("model.norm.weight".to_owned()),
        "output.weight" => return Some("lm_head.weight".to_owned()),
        _ => {}
    }
    let mut parts = name.strip_prefix("blk.")?.splitn(3, '.');
    let (layer, part, end) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, own) = PARTS.iter().find(|(theirs, _)| *theirs == part)?;
    Some(format!("model.layers.{layer}.{own}.{end}"))
}

/// Fills the model.
pub(super) fn load(gguf: &Gguf, config: &Value, model: &mut dyn Model) -> Result<(), ModelError> {
    let heads = |key: &str| config[key].as_i64().unwrap_or(1);
    let mut missing: std::collections::BTreeSet<String> =
        model.params().iter().map(|(name, _)| name.to_owned()).collect();
    for name in gguf.names() {
        let parameter = parameter(name).filter(|parameter| missing.remove(parameter));
        let Some(parameter) = parameter else {
            return Err(gguf.bad(format!("has a tensor that a llama model has not: `{name}`")));
        };
        let (numbers, shape) = gguf.tensor(name)?;
        let tensor = || -> sst_core::Result<Tensor> {
            let tensor = Tensor::f_from_slice(&numbers)?.f_reshape(&shape)?;
            match name {
                name if name.contains(".attn_q.") => halves(&tensor, heads("num_attention_heads")),
                name if name.contains(".attn_k.") => halves(&tensor, heads("num_key_value_heads")),
                _ => Ok(tensor),
            }
        };
        let tensor = tensor()?;
        model.params_mut().assign(&parameter, &tensor)?;
    }
    match missing.first() {
        None => Ok(()),
        Some(name) => Err(gguf.bad(format!("lacks the tensor of `{name}`"))),
    }
}

/// Rows that turn together lie side by side in GGUF, and half a head apart in transformers.
fn halves(rows: &Tensor, heads: i64) -> sst_core::Result<Tensor> {
    let by_pair = rows.f_unflatten(0, [heads, -1, 2])?;
    Ok(by_pair.f_transpose(1, 2)?.f_contiguous()?.f_flatten(0, 2)?)
}
