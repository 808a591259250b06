//! Finds the settings of a tokenizer's files that sst does not use.

use serde_json::Value;
use tokenizers::Tokenizer;

use super::class::Class;
use super::folder::{ADDED, CONFIG, Files, Vocabulary};
use super::model::{SIDE, SIDE_ITEM};
use super::redundant::agrees_with_json;
use crate::{Harmless, Unused, UnusedKind};

/// The keys of `tokenizer_config.json` that every class reads.
const USED: [&str; 10] = [
    "tokenizer_class",
    "added_tokens_decoder",
    "additional_special_tokens",
    "extra_special_tokens",
    "split_special_tokens",
    "clean_up_tokenization_spaces",
    "chat_template",
    "model_max_length",
    "max_len",
    SIDE,
];

/// Keys of `tokenizer_config.json` that do not affect the ids, each with the reason.
const HARMLESS: &[Harmless] = &[
    ("_commit_hash", "says where the folder came from"),
    ("_name_or_path", "says where the folder came from"),
    ("auto_map", "names Python code for classes that transformers does not have"),
    ("backend", "transformers 5 notes which library it used"),
    ("device_map", "is left there by pipelines"),
    ("do_basic_tokenize", "no class of transformers 5 reads it"),
    ("errors", "how Python decodes broken bytes"),
    ("files_loaded", "transformers 5 notes which files it read"),
    ("from_slow", "asks transformers to convert a vocabulary anew"),
    ("init_inputs", "arguments without a name, which no class has"),
    ("is_local", "says where the folder came from"),
    ("local_files_only", "says where the folder came from"),
    ("mask_token_id", "follows from the token"),
    ("max_length", "sst cuts texts by its own limits"),
    ("merges_file", "the name of a file"),
    ("model_input_names", "the arrays that transformers makes; models know theirs"),
    ("name_or_path", "says where the folder came from"),
    ("never_split", "no class of transformers 5 reads it"),
    ("pad_to_multiple_of", "sst pads by its own rules"),
    ("pad_token_id", "follows from the token"),
    ("pad_token_type_id", "padding is never seen"),
    ("padding", "sst pads by its own rules"),
    ("padding_side", "sst pads by its own rules"),
    ("processor_class", "names a class for images or sound"),
    ("return_token_type_ids", "models know their inputs"),
    ("sp_model_kwargs", "options of the SentencePiece library, which is not used"),
    ("special_tokens_map_file", "the name of a file"),
    ("stride", "sst cuts texts by its own limits"),
    ("tokenize_chinese_chars_file", "the name of a file"),
    ("tokenizer_file", "the name of a file"),
    ("transformers_version", "says who wrote the file"),
    ("trim_offsets", "changes no id"),
    ("truncation", "sst cuts texts by its own limits"),
    ("truncation_strategy", "sst cuts texts by its own limits"),
    ("use_default_system_prompt", "belongs to the template of chats"),
    ("use_fast", "chooses between classes that give the same ids"),
    ("verbose", "how much transformers prints"),
    ("vocab_file", "the name of a file"),
    ("wordpieces_prefix", "`##` in every class but Funnel's, which reads it"),
];

/// Keys that transformers reads only where there is no `tokenizer.json`.
const WITHOUT_JSON: [&str; 2] = ["add_bos_token", "add_eos_token"];

/// The top-level keys of `tokenizer.json` that are used.
const ROOT: [&str; 9] = [
    "version",
    // sst truncates and pads by its own rules and uses only the direction. Sentence models read their limit
    // themselves.
    "truncation",
    "padding",
    "added_tokens",
    "normalizer",
    "pre_tokenizer",
    "post_processor",
    "decoder",
    "model",
];

/// The keys of models that are used. Dropout and sampling are switched off elsewhere, with a warning.
const MODEL: [&str; 16] = [
    "type",
    "vocab",
    "merges",
    "unk_token",
    "unk_id",
    "continuing_subword_prefix",
    "end_of_word_suffix",
    "max_input_chars_per_word",
    "fuse_unk",
    "byte_fallback",
    "ignore_merges",
    "dropout",
    "alpha",
    "nbest_size",
    "bos_id",
    "eos_id",
];

/// The keys of an entry of `added_tokens` that are used.
const TOKEN: [&str; 7] =
    ["id", "content", "single_word", "lstrip", "rstrip", "normalized", "special"];

/// Keys that the crate `tokenizers` reads in an older form than it writes, each with the type of the part.
const OLD_KEYS: [(&str, &str); 4] = [
    ("Metaspace", "add_prefix_space"),
    ("Metaspace", "str_rep"),
    ("ByteLevel", "use_regex"),
    ("Punctuation", "behavior"),
];

/// The settings of `files` that are not used. `old` is their `tokenizer.json`, or null, and `library` is the tokenizer
/// that was built.
pub(super) fn unread(files: &Files, class: Class, old: &Value, library: &Tokenizer) -> Unused {
    let mut unused = Unused::new();
    let has_json = matches!(files.vocabulary, Vocabulary::Json(_));
    let written = files.config.get("tokenizer_class").and_then(Value::as_str).unwrap_or_default();
    let written = written.strip_suffix("Fast").unwrap_or(written);
    for (key, value) in &files.config {
        let names_token =
            key.ends_with("_token") && (value.is_string() || value.is_object() || value.is_null());
        let without_json =
            WITHOUT_JSON.contains(&key.as_str()) && !(has_json && value == &Value::Bool(true));
        let used = USED.contains(&key.as_str())
            || class.flags().contains(&key.as_str())
            || names_token
            || without_json
            || value.is_null()
            || has_json
                && class == Class::Json
                && agrees_with_json(key, value, written, old, library)
            || HARMLESS.iter().any(|(name, _)| name == key);
        if !used {
            unused.add(UnusedKind::ConfigKey, format!("{CONFIG}: {key}"));
        }
    }
    if files.config.get(SIDE).is_some_and(|side| side == "left") {
        unused.add(UnusedKind::ConfigKey, SIDE_ITEM);
    }
    let file = "tokenizer.json";
    unused.add_keys(file, old, ROOT, &[]);
    unused.add_keys(&format!("{file}: model"), &old["model"], MODEL, &[]);
    for token in old["added_tokens"].as_array().into_iter().flatten() {
        unused.add_keys(&format!("{file}: added_tokens"), token, TOKEN, &[]);
    }
    if has_json {
        let or_null = |part: Result<Value, serde_json::Error>| part.unwrap_or(Value::Null);
        for (key, used) in [
            ("normalizer", or_null(serde_json::to_value(library.get_normalizer()))),
            ("pre_tokenizer", or_null(serde_json::to_value(library.get_pre_tokenizer()))),
            ("decoder", or_null(serde_json::to_value(library.get_decoder()))),
        ] {
            let place = format!("{file}: {key}");
            if class == Class::Json {
                missing(&place, &old[key], &used, &mut unused);
            } else if !agree(&old[key], &used) {
                unused.add(
                    UnusedKind::ConfigKey,
                    format!("{place} ({} makes its own)", class.name()),
                );
            }
        }
    }
    let decoder = files.config.get("added_tokens_decoder").is_some_and(Value::is_object);
    let lost = files.added.keys().any(|token| library.token_to_id(token).is_none());
    if decoder && lost {
        unused.add(UnusedKind::File, format!("{ADDED} ({CONFIG} has added_tokens_decoder)"));
    }
    unused
}

/// Adds every key of `given` that is missing at the same place of `used`.
fn missing(place: &str, given: &Value, used: &Value, unused: &mut Unused) {
    match (given, used) {
        (Value::Object(given), Value::Object(kept)) => {
            let kind = given.get("type").and_then(Value::as_str).unwrap_or_default();
            for (key, value) in given {
                match kept.get(key) {
                    Some(used) => missing(&format!("{place}.{key}"), value, used, unused),
                    None if value.is_null() || OLD_KEYS.contains(&(kind, key)) => {}
                    None => unused.add(UnusedKind::ConfigKey, format!("{place}.{key}")),
                }
            }
        }
        (Value::Array(given), Value::Array(used)) if given.len() == used.len() => {
            for (given, used) in given.iter().zip(used) {
                missing(place, given, used, unused);
            }
        }
        _ => {}
    }
}

/// Whether a setting of a file equals the setting that was built, apart from keys that only one of them has.
fn agree(given: &Value, made: &Value) -> bool {
    match (given, made) {
        (Value::Object(given), Value::Object(made)) => {
            given.iter().all(|(key, value)| made.get(key).is_none_or(|made| agree(value, made)))
        }
        (Value::Array(given), Value::Array(made)) => {
            given.len() == made.len() && given.iter().zip(made).all(|(a, b)| agree(a, b))
        }
        _ => given == made,
    }
}
