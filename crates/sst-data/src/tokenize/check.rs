//! Checks a `tokenizer.json` before the crate `tokenizers` (below: the library) parses it.
//!
//! The library trusts some input that it should not. It slices merges without checking their lengths
//! (huggingface/tokenizers#2094), allocates a table by the largest id, recurses as deep as the longest Unigram piece
//! has bytes, and pads to any length. A process cannot recover from these, so this module refuses the input that
//! causes them. Input that only causes a panic is handled by the caller, which catches the panic.

use serde_json::{Map, Value, json};

use super::growth::Growth;
use super::limits;
use crate::json_problem;

/// Parses and checks a `tokenizer.json`. The returned JSON has padding switched off, because sst pads by itself;
/// truncation switched off except for `{"direction": "Left"}`, which [`take_side`] reads; and dropout and sampling
/// switched off, because they would make the ids of a text random.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let mut root = match json(bytes)? {
        Value::Object(root) => root,
        _ => return Err("it is not a JSON object".to_owned()),
    };
    for token in root.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
        let content = token.get("content").and_then(Value::as_str).unwrap_or("?");
        added_token(content)?;
        check_id(content, token.get("id"))?;
    }
    model(root.get_mut("model").and_then(Value::as_object_mut).ok_or("it has no object `model`")?)?;
    let is_left = root.get("truncation").is_some_and(|cut| cut["direction"] == "Left");
    let side = if is_left { json!({"direction": "Left"}) } else { Value::Null };
    root.insert("truncation".to_owned(), side);
    root.insert("padding".to_owned(), Value::Null);
    let root = Value::Object(root);
    growth(&root)?;
    Ok(root)
}

/// Removes the truncation direction that [`parse`] kept, and returns whether it is `Left`, which means that long texts
/// lose their beginning.
pub(super) fn take_side(root: &mut Value) -> bool {
    let truncation = root.get_mut("truncation").map(Value::take);
    truncation.is_some_and(|truncation| !truncation.is_null())
}

/// Checks the vocabulary, the merges and the limits of a model, and switches dropout and sampling off.
pub(super) fn model(model: &mut Map<String, Value>) -> Result<(), String> {
    check_vocab(model)?;
    check_merges(model)?;
    let longest = model.get("max_input_chars_per_word").and_then(Value::as_u64).unwrap_or(0);
    if longest > limits::WORD_CHARS {
        let most = limits::WORD_CHARS;
        return Err(format!(
            "max_input_chars_per_word is {longest}, more than {most}: the time for a word grows with the cube of its length"
        ));
    }
    for (key, what) in [("dropout", "dropout"), ("alpha", "sampling"), ("nbest_size", "sampling")] {
        if model.remove(key).is_some_and(|value| !value.is_null()) {
            tracing::warn!(
                "the tokenizer's {what} is switched off, because the ids of a text must not be random"
            );
        }
    }
    Ok(())
}

/// Checks the length of an added token.
pub(super) fn added_token(content: &str) -> Result<(), String> {
    let (length, most) = (content.len(), limits::ADDED_TOKEN_BYTES);
    if length > most {
        return Err(format!("an added token has {length} bytes, more than {most}"));
    }
    Ok(())
}

/// Parses JSON that is nested at most [`limits::DEPTH`] levels deep.
pub(super) fn json(bytes: &[u8]) -> Result<Value, String> {
    check_depth(bytes)?;
    serde_json::from_slice(bytes).map_err(|error| format!("it {}", json_problem(&error)))
}

/// Counts the brackets outside strings; the parser checks everything else.
fn check_depth(bytes: &[u8]) -> Result<(), String> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match (in_string, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => depth += 1,
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limits::DEPTH {
            let most = limits::DEPTH;
            return Err(format!("its JSON is nested more than {most} levels deep"));
        }
    }
    Ok(())
}

fn check_id(token: &str, id: Option<&Value>) -> Result<u64, String> {
    let id =
        id.and_then(Value::as_u64).ok_or_else(|| format!("token {token:?} has no valid id"))?;
    if id > limits::ID {
        return Err(format!("token {token:?} has id {id}; the largest allowed is {}", limits::ID));
    }
    Ok(id)
}

fn check_vocab(model: &Map<String, Value>) -> Result<(), String> {
    match model.get("vocab") {
        Some(Value::Object(vocab)) => {
            let mut ids = Vec::with_capacity(vocab.len());
            for (token, id) in vocab {
                ids.push(check_id(token, Some(id))?);
            }
            ids.sort_unstable();
            match ids.windows(2).find(|pair| pair[0] == pair[1]) {
                Some(pair) => Err(format!("two tokens have the id {}", pair[0])),
                None => Ok(()),
            }
        }
        Some(Value::Array(vocab)) => {
            let pieces = vocab.iter().filter_map(|entry| entry.get(0)?.as_str());
            for piece in pieces {
                let (length, most) = (piece.len(), limits::PIECE_BYTES);
                if length > most {
                    return Err(format!("a piece has {length} bytes, more than {most}"));
                }
            }
            Ok(())
        }
        _ => Err("its model has no `vocab`".to_owned()),
    }
}

/// Checks that the two tokens of each merge and the token that they make are all in the vocabulary.
fn check_merges(model: &Map<String, Value>) -> Result<(), String> {
    let (Some(Value::Object(vocab)), Some(Value::Array(merges))) =
        (model.get("vocab"), model.get("merges"))
    else {
        return Ok(());
    };
    let prefix = model.get("continuing_subword_prefix").and_then(Value::as_str).unwrap_or("");
    for merge in merges {
        let pair = match merge {
            Value::String(pair) => pair.split_once(' '),
            Value::Array(pair) => match pair.as_slice() {
                [Value::String(a), Value::String(b)] => Some((a.as_str(), b.as_str())),
                _ => None,
            },
            _ => None,
        };
        let (a, b) = pair.ok_or_else(|| format!("the merge {merge} is not a pair of tokens"))?;
        // The library removes as many bytes as the prefix has from the second token, without checking that the prefix
        // is there.
        let rest = b.get(prefix.len()..).filter(|_| b.starts_with(prefix));
        let rest = rest.ok_or_else(|| format!("the merge {merge} lacks the prefix {prefix:?}"))?;
        if a.is_empty() || rest.is_empty() {
            return Err(format!("the merge {merge} has an empty token"));
        }
        let merged = format!("{a}{rest}");
        if let Some(missing) = [a, b, &merged].into_iter().find(|t| !vocab.contains_key(*t)) {
            return Err(format!("the merge {merge} needs the token {missing:?}, which is missing"));
        }
    }
    Ok(())
}

/// How much longer the normalizer and the pre-tokenizer can make a text, and how much longer the decoder can make
/// tokens. Rules that each replace one character by thousands of others could otherwise fill any memory.
pub(super) fn growth(root: &Value) -> Result<(Growth, Growth), String> {
    let encoding = Growth::of(&[&root["normalizer"], &root["pre_tokenizer"]]);
    let decoding = Growth::of(&[&root["decoder"]]);
    for (what, growth) in [("normalizer", &encoding), ("decoder", &decoding)] {
        if growth.largest() > limits::GROWTH {
            let most = limits::GROWTH;
            return Err(format!("its {what} can make a text more than {most} times longer"));
        }
    }
    Ok((encoding, decoding))
}
