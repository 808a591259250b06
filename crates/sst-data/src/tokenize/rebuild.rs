//! Rebuilds the parts of a tokenizer that a class of transformers makes from its flags.

use serde_json::{Map, Value, json};

use super::class::Class;
use super::pipeline::{bert_parts, parts, template};
use super::special::SpecialNames;

/// A flag of `tokenizer_config.json`: `None` if it is missing or null.
///
/// # Errors
/// If it is neither true nor false.
pub(super) fn flag(config: &Map<String, Value>, key: &str) -> Result<Option<bool>, String> {
    match config.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(value) => Err(format!("`{key}` is {value}: it must be true or false")),
    }
}

/// Builds the `tokenizer.json` of `class` around the vocabulary of `model`, without added tokens and post-processor.
/// `old` is the file that the vocabulary comes from, and `unknown` is the unknown token.
///
/// # Errors
/// If a flag is neither true nor false.
pub(super) fn rebuild(
    class: Class,
    model: &Map<String, Value>,
    old: &Value,
    config: &Map<String, Value>,
    unknown: Option<&str>,
) -> Result<Map<String, Value>, String> {
    let flag = |key: &str| flag(config, key);
    let vocab = model.get("vocab").cloned().unwrap_or(Value::Null);
    let merges = model.get("merges").cloned().unwrap_or_else(|| json!([]));
    let bpe = |fuse_unk: bool, byte_fallback: bool, affix: Value| {
        json!({
            "type": "BPE",
            "dropout": null,
            "unk_token": null,
            "continuing_subword_prefix": affix,
            "end_of_word_suffix": affix,
            "fuse_unk": fuse_unk,
            "byte_fallback": byte_fallback,
            "ignore_merges": false,
            "vocab": vocab,
            "merges": merges,
        })
    };
    let (mut root, model) = match class {
        Class::Bert | Class::Funnel | Class::MPNet => {
            let mut root = bert_parts(
                flag("do_lower_case")?.unwrap_or(true),
                flag("strip_accents")?,
                flag("tokenize_chinese_chars")?.unwrap_or(true),
            );
            if class == Class::Funnel {
                root["normalizer"]["clean_text"] = json!(flag("clean_text")?.unwrap_or(true));
                if let Some(prefix) = config.get("wordpieces_prefix").and_then(Value::as_str) {
                    root["decoder"]["prefix"] = json!(prefix);
                }
            }
            let model = json!({
                "type": "WordPiece",
                "unk_token": unknown.unwrap_or_default(),
                "continuing_subword_prefix": "##",
                "max_input_chars_per_word": 100,
                "vocab": vocab,
            });
            (root, model)
        }
        Class::Gpt2 | Class::Roberta => {
            let bytes = |add_prefix_space: bool| {
                json!({
                    "type": "ByteLevel",
                    "add_prefix_space": add_prefix_space,
                    "trim_offsets": true,
                    "use_regex": true,
                })
            };
            let before = bytes(flag("add_prefix_space")?.unwrap_or(false));
            (parts(Value::Null, before, bytes(true)), bpe(false, false, json!("")))
        }
        Class::Llama => {
            let add_prefix_space = flag("add_prefix_space")?.unwrap_or(true);
            let scheme = match (add_prefix_space, flag("legacy")?.unwrap_or(false)) {
                (false, _) => "never",
                (true, true) => "always",
                (true, false) => "first",
            };
            let mut decoders = vec![
                json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
                json!({"type": "ByteFallback"}),
                json!({"type": "Fuse"}),
            ];
            if add_prefix_space {
                decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
            }
            let before = metaspace(scheme, false);
            let decoder = json!({"type": "Sequence", "decoders": decoders});
            (parts(Value::Null, before, decoder), bpe(true, true, Value::Null))
        }
        Class::XlmRoberta => {
            let scheme = if flag("add_prefix_space")?.unwrap_or(true) { "always" } else { "never" };
            let before = json!({
                "type": "Sequence",
                "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace(scheme, true)],
            });
            let root = parts(precompiled(old), before, metaspace(scheme, true));
            (root, json!({"type": "Unigram", "unk_id": 3, "byte_fallback": false, "vocab": vocab}))
        }
        Class::Json => (Map::new(), Value::Null),
    };
    root.insert("model".to_owned(), model);
    Ok(root)
}

fn metaspace(scheme: &str, split: bool) -> Value {
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split})
}

/// The first normalization table of SentencePiece (`Precompiled`) among the normalizers of a `tokenizer.json`.
fn precompiled(old: &Value) -> Value {
    let normalizer = &old["normalizer"];
    let steps = normalizer["normalizers"].as_array();
    let mut steps = steps.into_iter().flatten().chain([normalizer]);
    steps.find(|step| step["type"] == "Precompiled").cloned().unwrap_or(Value::Null)
}

/// The post-processor of `class`; `None` if the one of `tokenizer.json` is kept. `add` holds the flags `add_bos_token`
/// and `add_eos_token`, which apply only if there is no `tokenizer.json`.
pub(super) fn post_processor(
    class: Class,
    names: &SpecialNames,
    config: &Map<String, Value>,
    add: Option<(bool, bool)>,
    id: impl Fn(&str) -> Option<u64>,
) -> Result<Option<Value>, String> {
    let pair = |token: &Option<String>| {
        let token = token.as_deref()?;
        Some(json!([token, id(token)?]))
    };
    Ok(match class {
        Class::Bert | Class::Funnel => Some(template(names, id)),
        Class::MPNet | Class::Roberta => {
            let (Some(sep), Some(cls)) = (pair(&names.sep), pair(&names.cls)) else {
                return Ok(None);
            };
            let roberta = class == Class::Roberta;
            Some(json!({
                "type": "RobertaProcessing",
                "sep": sep,
                "cls": cls,
                "trim_offsets": !roberta || flag(config, "trim_offsets")?.unwrap_or(true),
                "add_prefix_space": roberta && flag(config, "add_prefix_space")?.unwrap_or(false),
            }))
        }
        Class::XlmRoberta => {
            let ends = SpecialNames {
                cls: names.bos.clone(),
                sep: names.eos.clone(),
                ..SpecialNames::default()
            };
            Some(template(&ends, id))
        }
        Class::Gpt2 | Class::Llama | Class::Json => {
            let Some((bos, eos)) = add else { return Ok(None) };
            let mut tokens = Map::new();
            let mut special = |token: &Option<String>| {
                let token = token.as_deref()?;
                tokens.insert(
                    token.to_owned(),
                    json!({"id": token, "ids": [id(token)?], "tokens": [token]}),
                );
                Some(json!({"SpecialToken": {"id": token, "type_id": 0}}))
            };
            let bos = bos.then(|| special(&names.bos)).flatten();
            let eos = eos.then(|| special(&names.eos)).flatten();
            let text = json!({"Sequence": {"id": "A", "type_id": 0}});
            let single: Vec<Value> = bos.into_iter().chain([text]).chain(eos).collect();
            let pair =
                [single.as_slice(), &[json!({"Sequence": {"id": "B", "type_id": 1}})]].concat();
            Some(json!({
                "type": "TemplateProcessing",
                "single": single,
                "pair": pair,
                "special_tokens": tokens,
            }))
        }
    })
}
