//! Builds the parts of the `tokenizer.json` of a tokenizer that sst trains.

use serde_json::{Map, Value, json};

use super::SpecialNames;

/// Entries of `added_tokens` for special tokens, which are matched before normalization.
pub(super) fn added_tokens<'a>(tokens: impl Iterator<Item = (&'a str, u64)>) -> Value {
    let mut tokens: Vec<_> = tokens.collect();
    tokens.sort_by_key(|(_, id)| *id);
    tokens
        .into_iter()
        .map(|(content, id)| {
            json!({
                "id": id,
                "content": content,
                "single_word": false,
                "lstrip": false,
                "rstrip": false,
                "normalized": false,
                "special": true,
            })
        })
        .collect()
}

/// The normalizer, pre-tokenizer and decoder of a BERT tokenizer.
pub(super) fn bert_parts(
    lowercase: bool,
    strip_accents: Option<bool>,
    chinese: bool,
) -> Map<String, Value> {
    let normalizer = json!({
        "type": "BertNormalizer",
        "clean_text": true,
        "handle_chinese_chars": chinese,
        "strip_accents": strip_accents,
        "lowercase": lowercase,
    });
    let decoder = json!({"type": "WordPiece", "prefix": "##", "cleanup": true});
    parts(normalizer, json!({"type": "BertPreTokenizer"}), decoder)
}

/// The normalizer, pre-tokenizer and decoder of byte-level BPE as in GPT-2.
pub(super) fn byte_level_parts(lowercase: bool) -> Map<String, Value> {
    let normalizer = if lowercase { json!({"type": "Lowercase"}) } else { Value::Null };
    let bytes = json!({
        "type": "ByteLevel",
        "add_prefix_space": false,
        "trim_offsets": true,
        "use_regex": true,
    });
    parts(normalizer, bytes.clone(), bytes)
}

/// The normalizer, pre-tokenizer and decoder of Unigram as in SentencePiece: NFKC, runs of white space become one
/// space, and `▁` marks the start of each word. Punctuation is split off, so that pieces of Chinese text never cross a
/// clause.
pub(super) fn metaspace_parts(lowercase: bool) -> Map<String, Value> {
    let mut steps = vec![json!({"type": "NFKC"})];
    if lowercase {
        steps.push(json!({"type": "Lowercase"}));
    }
    steps.push(json!({"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}));
    steps.push(json!({"type": "Strip", "strip_left": true, "strip_right": true}));
    let metaspace = json!({
        "type": "Metaspace",
        "replacement": "▁",
        "prepend_scheme": "always",
        "split": true,
    });
    let punctuation = json!({"type": "Punctuation", "behavior": "Isolated"});
    let split = json!({"type": "Sequence", "pretokenizers": [metaspace.clone(), punctuation]});
    parts(json!({"type": "Sequence", "normalizers": steps}), split, metaspace)
}

pub(super) fn parts(normalizer: Value, pre_tokenizer: Value, decoder: Value) -> Map<String, Value> {
    Map::from_iter([
        ("version".to_owned(), json!("1.0")),
        ("truncation".to_owned(), Value::Null),
        ("padding".to_owned(), Value::Null),
        ("added_tokens".to_owned(), json!([])),
        ("normalizer".to_owned(), normalizer),
        ("pre_tokenizer".to_owned(), pre_tokenizer),
        ("post_processor".to_owned(), Value::Null),
        ("decoder".to_owned(), decoder),
    ])
}

/// The post-processor for `[CLS] A [SEP]` and `[CLS] A [SEP] B [SEP]`; null if one of the two tokens is missing.
pub(super) fn template(names: &SpecialNames, id: impl Fn(&str) -> Option<u64>) -> Value {
    let (Some(cls), Some(sep)) = (&names.cls, &names.sep) else { return Value::Null };
    let (Some(cls_id), Some(sep_id)) = (id(cls), id(sep)) else { return Value::Null };
    let special =
        |token: &str, segment: u32| json!({"SpecialToken": {"id": token, "type_id": segment}});
    let text = |name: &str, segment: u32| json!({"Sequence": {"id": name, "type_id": segment}});
    let single = [special(cls, 0), text("A", 0), special(sep, 0)];
    let pair = [single.as_slice(), &[text("B", 1), special(sep, 1)]].concat();
    let entry = |token: &str, id: u64| json!({"id": token, "ids": [id], "tokens": [token]});
    let tokens =
        Map::from_iter([(cls.clone(), entry(cls, cls_id)), (sep.clone(), entry(sep, sep_id))]);
    json!({"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": tokens})
}
