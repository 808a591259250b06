//! A BERT `vocab.txt` as transformers' BertTokenizer reads it.

use serde_json::{Map, Value, json};

use super::pipeline::{added_tokens, bert_parts, template};
use super::{SpecialNames, TokenizeError, check};

/// Classes whose `vocab.txt` means what BERT's does.
const CLASSES: [&str; 8] = [
    "BertTokenizer",
    "DistilBertTokenizer",
    "ElectraTokenizer",
    "MobileBertTokenizer",
    "RetriBertTokenizer",
    "LxmertTokenizer",
    "FunnelTokenizer",
    "MPNetTokenizer",
];

/// The `tokenizer.json` of a vocabulary with one token a line, its id being its line from 0; where
/// a token stands twice, the later line counts. `config` may set `do_lower_case` (default true),
/// `strip_accents` (default: as `do_lower_case`), `tokenize_chinese_chars` (default true) and the
/// special tokens.
pub(super) fn from_vocab(
    name: &str,
    bytes: &[u8],
    config: &Map<String, Value>,
) -> Result<Value, TokenizeError> {
    let invalid = |reason: String| TokenizeError::invalid(name, reason);
    if let Some(class) = config.get("tokenizer_class").and_then(Value::as_str)
        && !CLASSES.contains(&class.trim_end_matches("Fast"))
    {
        return Err(invalid(format!("tokenizer_config.json says {class}, not BertTokenizer")));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| invalid(error.to_string()))?;
    let vocab = lines(text);
    if vocab.len() as u64 > check::MAX_ID {
        return Err(invalid(format!("it has {} lines", vocab.len())));
    }
    let vocab: Map<String, Value> =
        vocab.into_iter().enumerate().map(|(id, token)| (token.to_owned(), id.into())).collect();
    let added = config.get("added_tokens_decoder").and_then(Value::as_object);
    for token in added.into_iter().flat_map(|tokens| tokens.values()) {
        let token = token.get("content").and_then(Value::as_str).unwrap_or_default();
        if !vocab.contains_key(token) {
            let reason = format!("tokenizer_config.json adds {token:?}, which has no line");
            return Err(invalid(reason + "; append it, or save the model with a tokenizer.json"));
        }
    }
    let names = names(config);
    let id = |token: &Option<String>| vocab.get(token.as_deref()?)?.as_u64();
    let (Some(unk), Some(_)) = (&names.unk, id(&names.unk)) else {
        return Err(invalid(format!("it has no line {:?}", names.unk.unwrap_or_default())));
    };
    let flag = |key: &str| config.get(key).and_then(Value::as_bool);
    let specials = names.in_order().into_iter().filter_map(|t| Some((t, vocab.get(t)?.as_u64()?)));
    let added = added_tokens(specials);
    let post_processor = template(&names, |token| vocab.get(token).and_then(Value::as_u64));
    let mut root = bert_parts(
        flag("do_lower_case").unwrap_or(true),
        flag("strip_accents"),
        flag("tokenize_chinese_chars").unwrap_or(true),
    );
    root.insert("added_tokens".to_owned(), added);
    root.insert("post_processor".to_owned(), post_processor);
    let unk = unk.clone();
    root.insert(
        "model".to_owned(),
        json!({
            "type": "WordPiece",
            "unk_token": unk,
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocab,
        }),
    );
    Ok(Value::Object(root))
}

/// The lines as Python's text mode gives them: ended by `\n`, `\r\n` or `\r`.
fn lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(['\n', '\r']).unwrap_or(rest.len());
        lines.push(&rest[..end]);
        let after = &rest[end..];
        let ending = if after.starts_with("\r\n") { 2 } else { after.len().min(1) };
        rest = &after[ending..];
    }
    lines
}

fn names(config: &Map<String, Value>) -> SpecialNames {
    let bert = SpecialNames::bert();
    let name = |key: &str, usual: Option<String>| match config.get(key) {
        Some(Value::String(token)) => Some(token.clone()),
        Some(value) => value.get("content").and_then(Value::as_str).map(str::to_owned).or(usual),
        None => usual,
    };
    SpecialNames {
        pad: name("pad_token", bert.pad),
        unk: name("unk_token", bert.unk),
        cls: name("cls_token", bert.cls),
        sep: name("sep_token", bert.sep),
        mask: name("mask_token", bert.mask),
        ..SpecialNames::default()
    }
}
