//! The configuration and the weights of a GGUF file of architecture `llama`.

use serde_json::{Value, json};
use sst_core::Model;
use tch::Tensor;

use super::file::Gguf;
use super::rope;
use crate::error::ModelError;

/// The largest size that is accepted, so that products of two sizes do not overflow.
const MAX_SIZE: i64 = i32::MAX as i64;

/// The config.json of the model.
pub(super) fn config(gguf: &Gguf) -> Result<Value, ModelError> {
    let optional = |key: &str| {
        let key = format!("llama.{key}");
        match gguf.whole(&key)? {
            Some(size) if !(1..=MAX_SIZE).contains(&size) => {
                Err(gguf.bad(format!("{key} is {size}; 1 to {MAX_SIZE} are read")))
            }
            size => Ok(size),
        }
    };
    let size = |key: &str| {
        optional(key)?
            .ok_or_else(|| gguf.bad(format!("has no `llama.{key}`: a whole number is needed")))
    };
    let [heads, width, positions] =
        [size("attention.head_count")?, size("embedding_length")?, size("context_length")?];
    let key_width = optional("attention.key_length")?;
    let head_width = key_width.unwrap_or(width / heads);
    if let Some(values) = optional("attention.value_length")?.filter(|values| *values != head_width)
    {
        let message = format!("has keys of width {head_width} and values of width {values}");
        return Err(gguf.bad(format!("{message}; sst reads those of one width")));
    }
    if let Some(turned) = optional("rope.dimension_count")?.filter(|turned| *turned != head_width) {
        let message =
            format!("llama.rope.dimension_count is {turned} and a head is {head_width} wide");
        return Err(gguf.bad(format!("{message}; sst reads models that rotate whole heads")));
    }
    if let Some(scale) = gguf.real("llama.attention.scale")?.filter(|scale| *scale != 0.0) {
        let usual = (head_width as f64).powf(-0.5);
        if (scale - usual).abs() > 1e-6 * usual {
            let message = format!("llama.attention.scale is {scale}; sst reads {usual} alone");
            return Err(gguf.bad(message));
        }
    }
    if let Some(experts) = gguf.whole("llama.expert_count")?.filter(|experts| *experts != 0) {
        let message = format!("is a mixture of {experts} experts (llama.expert_count)");
        return Err(gguf.bad(format!("{message}; sst reads models without experts")));
    }
    let words = gguf.shape("token_embd.weight")?;
    let [vocab, _] = words[..] else {
        return Err(
            gguf.bad(format!("token_embd.weight has the shape {words:?}, which is not a matrix"))
        );
    };
    let token = |role: &str| gguf.whole(&format!("tokenizer.ggml.{role}_token_id"));
    let has_bias = |parts: &[&str]| {
        gguf.names().any(|name| parts.iter().any(|part| name.ends_with(&format!(".{part}.bias"))))
    };
    // llama.cpp ends a text at each of these tokens.
    let mut ends = Vec::new();
    for role in ["eos", "eot", "eom"] {
        ends.extend(token(role)?.filter(|id| !ends.contains(id)));
    }
    let ends = match &ends[..] {
        [end] => json!(end),
        [] => Value::Null,
        ends => json!(ends),
    };
    let config = json!({
        "model_type": "llama",
        "vocab_size": vocab,
        "hidden_size": width,
        "intermediate_size": size("feed_forward_length")?,
        "num_hidden_layers": size("block_count")?,
        "num_attention_heads": heads,
        "num_key_value_heads": optional("attention.head_count_kv")?.unwrap_or(heads),
        "head_dim": head_width,
        "max_position_embeddings": positions,
        "rms_norm_eps": gguf.real("llama.attention.layer_norm_rms_epsilon")?.unwrap_or(1e-6),
        "rope_parameters": rope::parameters(gguf, head_width, positions)?,
        "attention_bias": has_bias(&["attn_q", "attn_k", "attn_v", "attn_output"]),
        "mlp_bias": has_bias(&["ffn_gate", "ffn_up", "ffn_down"]),
        "tie_word_embeddings": !gguf.has("output.weight"),
        "bos_token_id": token("bos")?,
        "eos_token_id": ends,
        "pad_token_id": token("padding")?,
    });
    check_shapes(gguf, &config)?;
    Ok(config)
}

/// Checks the sizes of the config against the shapes of the tensors, before a model of these sizes is allocated.
fn check_shapes(gguf: &Gguf, config: &Value) -> Result<(), ModelError> {
    let size = |key: &str| config[key].as_i64().unwrap_or(0);
    let (width, inner, head) = (size("hidden_size"), size("intermediate_size"), size("head_dim"));
    let queries = size("num_attention_heads") * head;
    let keys = size("num_key_value_heads") * head;
    let check = |name: &str, want: &[i64]| {
        if !gguf.has(name) {
            let parameter = parameter(name).unwrap_or_default();
            return Err(gguf.bad(format!("lacks the tensor of `{parameter}`: `{name}`")));
        }
        let found = gguf.shape(name)?;
        match found == want {
            true => Ok(()),
            false => {
                let message = format!("tensor `{name}` has the shape {found:?}");
                Err(gguf.bad(format!("{message}, and the sizes in the metadata ask for {want:?}")))
            }
        }
    };
    let vocab = size("vocab_size");
    check("token_embd.weight", &[vocab, width])?;
    check("output_norm.weight", &[width])?;
    if gguf.has("output.weight") {
        check("output.weight", &[vocab, width])?;
    }
    // The loop ends at the first missing layer, so that a wrong count in the metadata costs no time.
    for layer in 0..size("num_hidden_layers") {
        for (part, shape) in [
            ("attn_norm", &[width][..]),
            ("attn_q", &[queries, width]),
            ("attn_k", &[keys, width]),
            ("attn_v", &[keys, width]),
            ("attn_output", &[width, queries]),
            ("ffn_norm", &[width]),
            ("ffn_gate", &[inner, width]),
            ("ffn_up", &[inner, width]),
            ("ffn_down", &[width, inner]),
        ] {
            check(&format!("blk.{layer}.{part}.weight"), shape)?;
            let bias = format!("blk.{layer}.{part}.bias");
            if !part.ends_with("norm") && gguf.has(&bias) {
                check(&bias, &shape[..1])?;
            }
        }
    }
    Ok(())
}

/// The names of the parts of a layer in GGUF and in transformers.
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

/// The transformers name of a GGUF tensor; `None` if it is no parameter of a Llama.
fn parameter(name: &str) -> Option<String> {
    match name {
        "token_embd.weight" => return Some("model.embed_tokens.weight".to_owned()),
        "output_norm.weight" => return Some("model.norm.weight".to_owned()),
        "output.weight" => return Some("lm_head.weight".to_owned()),
        _ => {}
    }
    let mut parts = name.strip_prefix("blk.")?.splitn(3, '.');
    let (layer, part, end) = (parts.next()?, parts.next()?, parts.next()?);
    let (_, part) = PARTS.iter().find(|(theirs, _)| *theirs == part)?;
    Some(format!("model.layers.{layer}.{part}.{end}"))
}

/// Loads the tensors into the model. Other tensors are left unused, but refused if they would change what the model
/// computes.
pub(super) fn load(gguf: &Gguf, config: &Value, model: &mut dyn Model) -> Result<(), ModelError> {
    let heads = |key: &str| config[key].as_i64().unwrap_or(1);
    let mut missing: std::collections::BTreeSet<String> =
        model.params().iter().map(|(name, _)| name.to_owned()).collect();
    for name in gguf.names() {
        let parameter = parameter(name).filter(|parameter| missing.remove(parameter));
        let Some(parameter) = parameter else {
            if changes_numbers(name) {
                let message = format!("has a tensor that a llama model has not: `{name}`");
                return Err(
                    gguf.bad(format!("{message}; without it the model would be another one"))
                );
            }
            continue;
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
    // Some models, such as Qwen2, have biases in a part of the projections only. The biases of the others stay zero,
    // as the model was built.
    match missing.iter().find(|name| !name.ends_with("_proj.bias")) {
        None => Ok(()),
        Some(name) => Err(gguf.bad(format!("lacks the tensor of `{name}`"))),
    }
}

/// Whether a tensor that is no parameter of a Llama would change what the model computes. A tensor outside the layers
/// may belong to an unused part, such as an image encoder.
fn changes_numbers(name: &str) -> bool {
    let is_table = name.ends_with(".attn_rot_embd.weight") || name.ends_with(".attn_rot_embd");
    (name.starts_with("blk.") && !is_table)
        || ["output.", "output_norm.", "token_embd.", "token_embd_norm."]
            .iter()
            .any(|part| name.starts_with(part))
}

/// Reorders the rows of a query or key projection. The two dimensions that rotary positions rotate together are
/// adjacent in GGUF, and half a head apart in transformers.
fn halves(rows: &Tensor, heads: i64) -> sst_core::Result<Tensor> {
    let by_pair = rows.f_unflatten(0, [heads, -1, 2])?;
    Ok(by_pair.f_transpose(1, 2)?.f_contiguous()?.f_flatten(0, 2)?)
}
