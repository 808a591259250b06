//! Checks a `tokenizer.json` before the library sees it.
//!
//! The library trusts its input where it should not: it slices merges without looking at their
//! lengths (huggingface/tokenizers#2094), allocates by the largest id, recurses to the depth of its
//! longest Unigram piece, and pads to any length asked for. None of this can be caught once it
//! happens, so what could cause it is refused here. What only panics is caught where it is called.

use serde_json::{Map, Value};

/// A file larger than this is no tokenizer; the largest known are some 40 MB.
pub(super) const MAX_BYTES: u64 = 512 << 20;
/// Objects and arrays within each other. Real files need 7; the library's parser tries several
/// types at each level, so its time grows exponentially with this.
const MAX_DEPTH: usize = 24;
/// The largest token id; tables are made with one entry an id.
pub(super) const MAX_ID: u64 = (1 << 24) - 1;
/// Bytes of one Unigram piece; the library recurses once a byte.
const MAX_PIECE_BYTES: usize = 1024;
/// How many times longer the rules of a normalizer or decoder may make a text.
const MAX_GROWTH: usize = 4096;

/// Parses and checks; returns the JSON with all that sst does itself switched off: truncation and
/// padding, and dropout and sampling, which would make the ids of a text a matter of chance.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    let mut root = match json(bytes)? {
        Value::Object(root) => root,
        _ => return Err("it is not a JSON object".to_owned()),
    };
    for component in ["normalizer", "pre_tokenizer", "decoder"] {
        check_growth(component, root.get(component).unwrap_or(&Value::Null))?;
    }
    for token in root.get("added_tokens").and_then(Value::as_array).into_iter().flatten() {
        check_id(token.get("content").and_then(Value::as_str).unwrap_or("?"), token.get("id"))?;
    }
    let model = root.get_mut("model").and_then(Value::as_object_mut);
    let model = model.ok_or("it has no object `model`")?;
    check_vocab(model)?;
    check_merges(model)?;
    for (key, what) in [("dropout", "dropout"), ("alpha", "sampling"), ("nbest_size", "sampling")] {
        if model.remove(key).is_some_and(|value| !value.is_null()) {
            tracing::warn!("the tokenizer's {what} is switched off: ids must not depend on chance");
        }
    }
    root.insert("truncation".to_owned(), Value::Null);
    root.insert("padding".to_owned(), Value::Null);
    Ok(Value::Object(root))
}

/// Parses JSON of bounded depth.
pub(super) fn json(bytes: &[u8]) -> Result<Value, String> {
    check_depth(bytes)?;
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// Looks at brackets outside strings only; the parser does the rest.
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
        if depth > MAX_DEPTH {
            return Err(format!("its JSON is nested more than {MAX_DEPTH} levels deep"));
        }
    }
    Ok(())
}

fn check_id(token: &str, id: Option<&Value>) -> Result<u64, String> {
    let id =
        id.and_then(Value::as_u64).ok_or_else(|| format!("token {token:?} has no valid id"))?;
    if id > MAX_ID {
        return Err(format!("token {token:?} has id {id}; the largest allowed is {MAX_ID}"));
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
                if piece.is_empty() || piece.len() > MAX_PIECE_BYTES {
                    let length = piece.len();
                    return Err(format!("a piece has {length} bytes, not 1 to {MAX_PIECE_BYTES}"));
                }
            }
            Ok(())
        }
        _ => Err("its model has no `vocab`".to_owned()),
    }
}

/// Every merge must be of two tokens into a third, all of the vocabulary.
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
        // The library cuts as many bytes off every right side, whether the prefix is there or not.
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

/// Rules that replace one character by thousands, one after the other, could fill any memory.
fn check_growth(component: &str, value: &Value) -> Result<(), String> {
    let mut growth = 1_usize;
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Array(values) => open.extend(values),
            Value::Object(object) => {
                let text = |key| object.get(key).and_then(Value::as_str).unwrap_or("");
                let longest = text("content").chars().count().max(text("prepend").chars().count());
                growth = growth.saturating_mul(longest.max(1));
                open.extend(object.values());
            }
            _ => {}
        }
    }
    if growth > MAX_GROWTH {
        return Err(format!("its {component} can make a text more than {MAX_GROWTH} times longer"));
    }
    Ok(())
}
