//! Checks that all configurations share.

use serde_json::{Map, Value};
use sst_data::{Harmless, Unused, UnusedKind};

use crate::entry::{COMMON, ModelEntry};
use crate::error::{ModelError, bad};
use crate::heads::{classifier, labels};
use crate::tower::{ConfigPart, TowerEntry};

/// The largest number of layers, of heads, and of dimensions of a head. Products of sizes then never overflow.
const MAX_PARTS: i64 = 1 << 16;
/// The largest width of a hidden state or an MLP.
const MAX_WIDTH: i64 = 1 << 24;
/// The largest vocabulary size, and the largest number of positions.
const MAX_ROWS: i64 = 1 << 31;

/// Refuses sizes below 1 and above the limits.
pub(crate) fn check_sizes(sizes: &[(&str, i64)]) -> Result<(), ModelError> {
    for (key, value) in sizes {
        if *value < 1 {
            return Err(bad(key, &format!("is {value} and must be at least 1")));
        }
        let limit = match *key {
            "vocab_size" | "n_positions" | "max_position_embeddings" | "type_vocab_size" => {
                MAX_ROWS
            }
            key if key.starts_with("num_") || key == "head_dim" => MAX_PARTS,
            "n_layer" | "n_head" => MAX_PARTS,
            _ => MAX_WIDTH,
        };
        if *value > limit {
            return Err(bad(key, &format!("is {value} and can be at most {limit}")));
        }
    }
    Ok(())
}

/// Refuses probabilities below 0, and those of 1 or more.
pub(crate) fn check_dropout(dropouts: &[(&str, f64)]) -> Result<(), ModelError> {
    match dropouts.iter().find(|(_, p)| !(0.0..1.0).contains(p)) {
        Some((key, p)) => Err(bad(key, &format!("is {p} and must be at least 0 and below 1"))),
        None => Ok(()),
    }
}

/// The row of the padding token in an embedding table. As in PyTorch, a negative id counts from the end.
///
/// # Errors
/// If the id is out of range.
pub(crate) fn padding_row(id: Option<i64>, rows: i64) -> Result<Option<i64>, ModelError> {
    match id {
        Some(id) if !(-rows..rows).contains(&id) => {
            Err(bad("pad_token_id", &format!("is {id} and not in the vocabulary of {rows}")))
        }
        other => Ok(other.map(|id| id.rem_euclid(rows))),
    }
}

/// A key with a feature that sst does not implement: its name, a test for the values that turn the feature off, and
/// the message for other values.
pub(crate) type Refused = (&'static str, fn(&Value) -> bool, &'static str);

/// Refuses keys that would change the results and that sst does not implement: those of all models, and those of this
/// one.
pub(crate) fn check_refused(
    keys: &Map<String, Value>,
    of_model: &[Refused],
) -> Result<(), ModelError> {
    for (key, is_neutral, message) in ANY_REFUSED.iter().chain(of_model) {
        if keys.get(*key).is_some_and(|value| !value.is_null() && !is_neutral(value)) {
            return Err(bad(key, message));
        }
    }
    Ok(())
}

/// Whether a value is `false`.
pub(crate) fn is_false(value: &Value) -> bool {
    value == &Value::Bool(false)
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty)
}

const ANY_REFUSED: [Refused; 3] = [
    (
        "quantization_config",
        is_empty,
        "sst reads no quantised weights: take the folder before quantisation",
    ),
    ("pruned_heads", is_empty, "sst has all heads of a layer only"),
    ("is_encoder_decoder", is_false, "sst has encoders and decoders, each alone"),
];

/// Keys of any model's config.json that do not change what sst computes, each with the reason.
const HARMLESS: &[Harmless] = &[
    ("_name_or_path", "says where transformers loaded the model from"),
    ("_commit_hash", "says which revision of the hub it was"),
    ("transformers_version", "says which release wrote the file; written anew"),
    ("dtype", "the type of the weights in the file, which says it itself"),
    ("torch_dtype", "the older name of dtype"),
    ("use_cache", "how transformers generates: it changes the speed alone"),
    ("gradient_checkpointing", "how transformers trains: Model::checkpoint_layers says it here"),
    ("output_attentions", "what transformers' forward pass returns"),
    ("output_hidden_states", "what transformers' forward pass returns"),
    ("return_dict", "how transformers' forward pass returns it"),
    ("return_dict_in_generate", "how transformers' generation returns it"),
    ("output_scores", "what transformers' generation returns"),
    ("torchscript", "whether transformers returns what TorchScript can trace"),
    ("use_bfloat16", "a switch of TensorFlow models"),
    ("tf_legacy_loss", "a switch of TensorFlow models"),
    ("attn_implementation", "which kernel transformers takes for the same attention"),
    ("_attn_implementation", "which kernel transformers takes for the same attention"),
    ("_attn_implementation_autoset", "whether transformers chose that kernel itself"),
    ("chunk_size_feed_forward", "transformers may compute the MLP in parts, to the same numbers"),
    ("id2label", "names the classes of a task head"),
    ("label2id", "names the classes of a task head"),
    ("num_labels", "counts the classes of a task head"),
    ("_num_labels", "an older spelling of num_labels, beside which id2label stands"),
    ("problem_type", "which loss a task head has"),
    ("classifier_dropout", "dropout of a task head"),
    (
        "hidden_dropout",
        "dropout of a task head of a decoder, beside which classifier_dropout counts first",
    ),
    (classifier::KEY, "the layers of a classification head"),
    ("finetuning_task", "names the task that the model was trained for"),
    ("task_specific_params", "settings of transformers' pipelines by task"),
    ("tokenizer_class", "the tokenizer's own files say what it is"),
    ("is_encoder_decoder", "false; true is an error"),
    ("pruned_heads", "none; some are an error"),
    ("quantization_config", "none; one is an error"),
    ("cross_attention_hidden_size", "of encoder-decoder models alone"),
    ("encoder_no_repeat_ngram_size", "of encoder-decoder models alone"),
    ("decoder_start_token_id", "of encoder-decoder models alone"),
    ("tie_encoder_decoder", "of encoder-decoder models alone"),
    ("sep_token_id", "the tokenizer says which tokens are special"),
    ("bos_token_id", "the tokenizer says which tokens are special"),
    ("eos_token_id", "the tokenizer says which tokens are special"),
    ("language", "a name for the reader"),
    // transformers 4 stored defaults of text generation in config.json.
    ("max_length", "a default of transformers' generation"),
    ("min_length", "a default of transformers' generation"),
    ("do_sample", "a default of transformers' generation"),
    ("early_stopping", "a default of transformers' generation"),
    ("num_beams", "a default of transformers' generation"),
    ("num_beam_groups", "a default of transformers' generation"),
    ("diversity_penalty", "a default of transformers' generation"),
    ("temperature", "a default of transformers' generation"),
    ("top_k", "a default of transformers' generation"),
    ("top_p", "a default of transformers' generation"),
    ("typical_p", "a default of transformers' generation"),
    ("repetition_penalty", "a default of transformers' generation"),
    ("length_penalty", "a default of transformers' generation"),
    ("no_repeat_ngram_size", "a default of transformers' generation"),
    ("bad_words_ids", "a default of transformers' generation"),
    ("num_return_sequences", "a default of transformers' generation"),
    ("forced_bos_token_id", "a default of transformers' generation"),
    ("forced_eos_token_id", "a default of transformers' generation"),
    ("remove_invalid_values", "a default of transformers' generation"),
    ("exponential_decay_length_penalty", "a default of transformers' generation"),
    ("suppress_tokens", "a default of transformers' generation"),
    ("begin_suppress_tokens", "a default of transformers' generation"),
    ("prefix", "a default of transformers' pipelines"),
];

/// Adds the keys of a config.json that the model neither reads nor lists as harmless. `file` is the name of the file
/// in messages.
pub(crate) fn add_unused(unused: &mut Unused, file: &str, config: &Value, entry: &ModelEntry) {
    let known = (entry.default_config)();
    let used = known.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    let harmless: Vec<Harmless> = HARMLESS.iter().chain(entry.harmless).copied().collect();
    unused.add_keys(file, config, used.chain(COMMON.iter().copied()), &harmless);
    for key in (entry.without_effect)(config).into_iter().chain(labels::without_effect(config)) {
        unused.add(UnusedKind::ConfigKey, format!("{file}: {key}"));
    }
    // An error is that of the model, which is built later.
    for ConfigPart { key, value, tower } in (entry.parts)(config).unwrap_or_default() {
        add_unused_keys(unused, &format!("{file}: {key}"), &value, tower);
    }
}

/// [`add_unused`] for the configuration of a tower.
pub(crate) fn add_unused_keys(unused: &mut Unused, file: &str, config: &Value, tower: &TowerEntry) {
    let known = (tower.default_config)();
    let used = known.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    let harmless: Vec<Harmless> = HARMLESS.iter().chain(tower.harmless).copied().collect();
    unused.add_keys(file, config, used.chain(COMMON.iter().copied()), &harmless);
}
