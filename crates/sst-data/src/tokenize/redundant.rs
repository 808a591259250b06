//! Recognises flags of `tokenizer_config.json` that agree with `tokenizer.json`.
//!
//! Further classes of transformers (Albert's, XLNet's, DebertaV2's, Splinter's and T5's among them) build parts from
//! flags, too. For those that [`Class`](super::class::Class) does not list, sst uses `tokenizer.json` as it is. A flag
//! that agrees with it changes nothing; one that disagrees is reported as unused.

use serde_json::Value;
use tokenizers::Tokenizer;

use super::spelling::flatten;

/// Whether `json` does what the flag `key` with the value `value` asks for. `json` is the `tokenizer.json` that
/// `library` was built from, and `class` is the class that `tokenizer_config.json` names, without `Fast`.
pub(super) fn agrees_with_json(
    key: &str,
    value: &Value,
    class: &str,
    json: &Value,
    library: &Tokenizer,
) -> bool {
    let (normalizer, before) = (flatten(&json["normalizer"]), flatten(&json["pre_tokenizer"]));
    let has = |steps: &[&Value], kind: &str| steps.iter().any(|step| step["type"] == kind);
    let bert = normalizer.iter().find(|step| step["type"] == "BertNormalizer");
    match key {
        "do_lower_case" => {
            let lowers = bert.map_or(Value::Bool(false), |bert| bert["lowercase"].clone());
            *value == (lowers == Value::Bool(true) || has(&normalizer, "Lowercase"))
        }
        "strip_accents" => bert.map_or_else(
            || *value == has(&normalizer, "StripAccents"),
            |bert| bert["strip_accents"] == *value,
        ),
        "tokenize_chinese_chars" => bert.is_some_and(|bert| bert["handle_chinese_chars"] == *value),
        // transformers 5 accepts both keys for XLNet's class and ignores them. Albert's class never had the second.
        "keep_accents" | "remove_space" if class == "XLNetTokenizer" => true,
        "remove_space" => class == "AlbertTokenizer",
        "keep_accents" => *value != has(&normalizer, "StripAccents"),
        "split_by_punct" => *value == has(&before, "Punctuation"),
        "add_prefix_space" => before.iter().any(|step| match step["type"].as_str() {
            Some("Metaspace") => {
                let scheme = step["prepend_scheme"].as_str();
                // With `false`, DebertaV2's class means `first`, and other classes mean `never`. Files older than
                // tokenizers 0.15 have a flag instead of a scheme.
                let never = if class == "DebertaV2Tokenizer" { "first" } else { "never" };
                *value == scheme.map_or(step["add_prefix_space"] == true, |s| s != never)
            }
            Some("ByteLevel") => step["add_prefix_space"] == *value,
            _ => false,
        }),
        // T5's class has `count` tokens of this name, numbered from 0.
        "extra_ids" => value.as_u64().is_some_and(|count| {
            let is_there = |id: u64| library.token_to_id(&format!("<extra_id_{id}>")).is_some();
            !is_there(count) && count.checked_sub(1).is_none_or(is_there)
        }),
        "legacy" => class == "T5Tokenizer",
        "vocab_type" => class == "DebertaV2Tokenizer",
        _ => false,
    }
}
