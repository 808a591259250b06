//! The tokenizer in a GGUF file, as tokenizer.json and tokenizer_config.json.

use serde_json::{Map, Value, json};

use super::file::{Gguf, MetaValue};
use crate::error::ModelError;

/// GGML's kinds of token that are never made from text: control tokens.
const CONTROL: i128 = 3;
/// Added by hand, and found in text before it is split.
const USER_DEFINED: i128 = 4;
/// The split of Llama 3, as published with it.
const LLAMA3: &str = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/// Both files.
pub(super) fn read(gguf: &Gguf) -> Result<(Value, Value), ModelError> {
    let model = gguf.text("tokenizer.ggml.model")?;
    if model != "gpt2" {
        let message = format!("has a `{model}` tokenizer; sst reads byte-level BPE (`gpt2`)");
        return Err(gguf.bad(message));
    }
    let tokens = texts(gguf, "tokenizer.ggml.tokens")?;
    let merges = texts(gguf, "tokenizer.ggml.merges")?;
    let kinds: Vec<i128> = list(gguf, "tokenizer.ggml.token_type")?
        .iter()
        .map(|kind| if let MetaValue::Whole(kind) = kind { *kind } else { 0 })
        .collect();
    let byte_level = |use_regex: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
               "use_regex": use_regex})
    };
    let split = |first: Value, use_regex: bool| json!({"type": "Sequence", "pretokenizers": [first, byte_level(use_regex)]});
    let pre = gguf.text("tokenizer.ggml.pre").unwrap_or("gpt-2");
    let pre_tokenizer = match pre {
        "gpt-2" | "default" => byte_level(true),
        "smollm" => split(json!({"type": "Digits", "individual_digits": true}), true),
        "llama-bpe" => {
            let pattern = json!({"Regex": LLAMA3});
            let first = json!({"type": "Split", "pattern": pattern, "behavior": "Isolated",
                               "invert": false});
            split(first, false)
        }
        other => {
            let message =
                format!("splits text as `{other}` does; sst knows gpt-2, smollm and llama-bpe");
            return Err(gguf.bad(message));
        }
    };
    let mut added = Vec::new();
    for (id, (token, kind)) in tokens.iter().zip(&kinds).enumerate() {
        if [CONTROL, USER_DEFINED].contains(kind) {
            added.push(json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": *kind == CONTROL,
            }));
        }
    }
    let vocab: Map<String, Value> =
        tokens.iter().enumerate().map(|(id, token)| ((*token).to_owned(), json!(id))).collect();
    if vocab.len() != tokens.len() {
        return Err(gguf.bad("names two tokens alike".to_owned()));
    }
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": null, "pre_tokenizer": pre_tokenizer,
        "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false,
                           "use_regex": true},
        "decoder": byte_level(true),
        "model": {"type": "BPE", "dropout": null, "unk_token": null,
                  "continuing_subword_prefix": null, "end_of_word_suffix": null,
                  "fuse_unk": false, "byte_fallback": false, "ignore_merges": pre == "llama-bpe",
                  "vocab": vocab, "merges": merges},
    });
    let mut config = Map::new();
    for (role, own) in [
        ("bos", "bos_token"),
        ("eos", "eos_token"),
        ("unknown", "unk_token"),
        ("padding", "pad_token"),
    ] {
        if let Ok(id) = gguf.whole(&format!("tokenizer.ggml.{role}_token_id")) {
            let token = usize::try_from(id).ok().and_then(|id| tokens.get(id));
            let Some(token) = token else {
                return Err(gguf.bad(format!("has no token {id}, its {role} token")));
            };
            config.insert(own.to_owned(), json!(token));
        }
    }
    if let Ok(template) = gguf.text("tokenizer.chat_template") {
        config.insert("chat_template".to_owned(), json!(template));
    }
    Ok((tokenizer, Value::Object(config)))
}

fn list<'a>(gguf: &'a Gguf, key: &str) -> Result<&'a [MetaValue], ModelError> {
    match gguf.find(key) {
        Some(MetaValue::List(values)) => Ok(values),
        _ => Err(gguf.bad(format!("has no list `{key}`"))),
    }
}

fn texts<'a>(gguf: &'a Gguf, key: &str) -> Result<Vec<&'a str>, ModelError> {
    let text = |value: &'a MetaValue| match value {
        MetaValue::Text(text) => Ok(text.as_str()),
        other => Err(gguf.bad(format!("has {other:?} in the list `{key}` of texts"))),
    };
    list(gguf, key)?.iter().map(text).collect()
}
