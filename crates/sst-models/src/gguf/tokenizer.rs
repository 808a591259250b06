//! The tokenizer of a GGUF file, converted to tokenizer.json and tokenizer_config.json.

use serde_json::{Map, Value, json};

use super::file::Gguf;
use super::meta::MetaValue;
use super::pre_tokenizer::{DEFAULT, GPT2, byte_level, is_llama3, pre_tokenizer};
use crate::error::ModelError;

/// The GGML type of control tokens, which are never made from text.
const CONTROL: i128 = 3;
/// The GGML type of added tokens, which are found in a text before it is split.
const USER_DEFINED: i128 = 4;
/// Returns the contents of both files, for a model with `rows` token ids.
pub(super) fn read(gguf: &Gguf, rows: usize) -> Result<(Value, Value), ModelError> {
    let model = gguf.text("tokenizer.ggml.model")?.unwrap_or("none");
    if model != "gpt2" {
        let message = format!("has a `{model}` tokenizer; sst reads byte-level BPE (`gpt2`)");
        return Err(gguf.bad(message));
    }
    let tokens = texts(gguf, "tokenizer.ggml.tokens")?;
    let merges = texts(gguf, "tokenizer.ggml.merges")?;
    if tokens.len() > rows {
        let message = format!("has {} tokens for a model of {rows} ids", tokens.len());
        return Err(gguf.bad(message));
    }
    let kinds = kinds(gguf, tokens.len())?;
    let pre = gguf.text("tokenizer.ggml.pre")?.unwrap_or_else(|| {
        gguf.warn(&format!(
            "does not say how its tokenizer splits text (`tokenizer.ggml.pre`): it is split as llama.cpp's `{DEFAULT}` \
             does, which gives other tokens than those of the model's training; convert the model anew with a newer \
             llama.cpp"
        ));
        DEFAULT
    });
    let is_llama3 = is_llama3(pre);
    let Some(pre_tokenizer) = pre_tokenizer(pre) else {
        let message = format!(
            "splits text as `{pre}` does; sst knows {GPT2}, smollm, llama-bpe and {DEFAULT}"
        );
        return Err(gguf.bad(message));
    };
    let mut config = Map::new();
    let mut special = [None; 2];
    for (role, own) in [
        ("bos", "bos_token"),
        ("eos", "eos_token"),
        ("unknown", "unk_token"),
        ("padding", "pad_token"),
    ] {
        let Some(id) = gguf.whole(&format!("tokenizer.ggml.{role}_token_id"))? else { continue };
        let Some(token) = usize::try_from(id).ok().and_then(|id| tokens.get(id)) else {
            return Err(gguf.bad(format!("has no token {id}, its {role} token")));
        };
        config.insert(own.to_owned(), json!(token));
        match role {
            "bos" => special[0] = Some((id as usize, *token)),
            "eos" => special[1] = Some((id as usize, *token)),
            _ => {}
        }
    }
    // llama.cpp adds the first token to texts of Llama 3 by default.
    let [bos, eos] = special;
    let add = |key: &str, usual: bool, token: Option<(usize, &str)>| match gguf.flag(key)? {
        Some(true) if token.is_none() => {
            Err(gguf.bad(format!("{key} is true, and the file does not say which token that is")))
        }
        given => Ok(given.unwrap_or(usual) && token.is_some()),
    };
    let before = add("tokenizer.ggml.add_bos_token", is_llama3, bos)?;
    let after = add("tokenizer.ggml.add_eos_token", false, eos)?;
    config.insert("add_bos_token".to_owned(), json!(before));
    config.insert("add_eos_token".to_owned(), json!(after));
    let around = [bos.filter(|_| before), eos.filter(|_| after)];
    let mut added = Vec::new();
    for (id, (token, kind)) in tokens.iter().zip(&kinds).enumerate() {
        // A token that the file names as bos or eos is a special token, whatever its own type is.
        let is_named = special.iter().flatten().any(|(named, _)| *named == id);
        if is_named || [CONTROL, USER_DEFINED].contains(kind) {
            added.push(json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": is_named || *kind == CONTROL,
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
        "post_processor": post_processor(around),
        "decoder": byte_level(true),
        "model": {"type": "BPE", "dropout": null, "unk_token": null,
                  "continuing_subword_prefix": null, "end_of_word_suffix": null,
                  "fuse_unk": false, "byte_fallback": false, "ignore_merges": is_llama3,
                  "vocab": vocab, "merges": merges},
    });
    if let Some(template) = gguf.text("tokenizer.chat_template")? {
        config.insert("chat_template".to_owned(), json!(template));
    }
    Ok((tokenizer, Value::Object(config)))
}

/// The post-processor, which adds the first token, the last token, both or neither to a text.
fn post_processor([before, after]: [Option<(usize, &str)>; 2]) -> Value {
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false,
                            "use_regex": true});
    if before.is_none() && after.is_none() {
        return byte_level;
    }
    let special = |token: &str, id: u32| json!({"SpecialToken": {"id": token, "type_id": id}});
    let around = |name: &str, id: u32| {
        let mut parts = Vec::new();
        parts.extend(before.map(|(_, token)| special(token, id)));
        parts.push(json!({"Sequence": {"id": name, "type_id": id}}));
        parts.extend(after.map(|(_, token)| special(token, id)));
        parts
    };
    let tokens: Map<String, Value> = before
        .iter()
        .chain(&after)
        .map(|(id, token)| {
            ((*token).to_owned(), json!({"id": token, "ids": [id], "tokens": [token]}))
        })
        .collect();
    let pair = [around("A", 0), around("B", 1)].concat();
    let template = json!({
        "type": "TemplateProcessing", "single": around("A", 0),
        "pair": pair, "special_tokens": tokens,
    });
    json!({"type": "Sequence", "processors": [byte_level, template]})
}

/// The types of `count` tokens. Without the list in the file, all tokens are normal ones.
fn kinds(gguf: &Gguf, count: usize) -> Result<Vec<i128>, ModelError> {
    const KEY: &str = "tokenizer.ggml.token_type";
    let kinds: Vec<i128> = match gguf.find(KEY) {
        None => return Ok(vec![1; count]),
        Some(MetaValue::Numbers(kinds)) => kinds
            .iter()
            .map(|kind| if let MetaValue::Whole(kind) = kind { kind } else { 0 })
            .collect(),
        Some(other) => return Err(gguf.wrong(KEY, "a list of whole numbers", other)),
    };
    match kinds.len() == count {
        true => Ok(kinds),
        false => Err(gguf.bad(format!("{KEY} has {} numbers for {count} tokens", kinds.len()))),
    }
}

fn texts<'a>(gguf: &'a Gguf, key: &str) -> Result<Vec<&'a str>, ModelError> {
    match gguf.find(key) {
        Some(MetaValue::Texts(texts)) => Ok(texts.iter().map(String::as_str).collect()),
        None => Err(gguf.bad(format!("has no list `{key}`"))),
        Some(other) => Err(gguf.wrong(key, "a list of texts", other)),
    }
}
