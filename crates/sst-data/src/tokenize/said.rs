//! Flags of `tokenizer_config.json` that say what `tokenizer.json` does anyway.
//!
//! Classes of transformers other than those in [`Class`](super::class::Class) build parts from flags, too: Albert's,
//! XLNet's, DebertaV2's, Splinter's and T5's among them. Here their `tokenizer.json` holds as it is. A flag that agrees
//! with it changes nothing, and one that does not is told as unused.

use serde_json::Value;
use tokenizers::Tokenizer;

use super::spelling::flatten;

/// Whether `json`, a tokenizer.json that `library` was made of, does what the flag `key` with `value` asks for. `class` is
/// the class that tokenizer_config.json names, without `Fast`.
pub(super) fn says_already(
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
        // transformers 5 keeps these two for XLNet's class and does not use them; Albert's class never had the second.
        "keep_accents" | "remove_space" if class == "XLNetTokenizer" => true,
        "remove_space" => class == "AlbertTokenizer",
        "keep_accents" => *value != has(&normalizer, "StripAccents"),
        "split_by_punct" => *value == has(&before, "Punctuation"),
        "add_prefix_space" => before.iter().any(|step| match step["type"].as_str() {
            Some("Metaspace") => {
                let scheme = step["prepend_scheme"].as_str();
                // DebertaV2's class means `first` with false, where others mean `never`. Files of before tokenizers
                // 0.15 say it with a flag.
                let never = if class == "DebertaV2Tokenizer" { "first" } else { "never" };
                *value == scheme.map_or(step["add_prefix_space"] == true, |s| s != never)
            }
            Some("ByteLevel") => step["add_prefix_space"] == *value,
            _ => false,
        }),
        // T5's class has so many tokens of this name, counted from 0.
        "extra_ids" => value.as_u64().is_some_and(|count| {
            let is_there = |id: u64| library.token_to_id(&format!("<extra_id_{id}>")).is_some();
            !is_there(count) && count.checked_sub(1).is_none_or(is_there)
        }),
        "legacy" => class == "T5Tokenizer",
        "vocab_type" => class == "DebertaV2Tokenizer",
        _ => false,
    }
}
