//! The keys in the JSON files of sentence-transformers, and the effect of each in sst.

use serde_json::Value;
use sst_data::{Unused, UnusedKind};

/// The effect of a key.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// sst reads the key.
    Used,
    /// The key does not matter.
    Harmless,
    /// The key does not matter if it has this value; any other value is reported.
    Neutral(&'static str),
    /// The key does not matter if it is empty or null.
    Empty,
}

/// A key, its effect, and the reason if it does not matter.
pub(super) type Key = (&'static str, Rule, &'static str);

use Rule::{Empty, Harmless, Neutral, Used};

/// The keys of an entry of modules.json.
pub(super) const MODULE: [Key; 4] = [
    ("path", Used, ""),
    ("type", Used, ""),
    ("idx", Harmless, "counts the modules, which stand in order"),
    ("name", Harmless, "counts the modules, which stand in order"),
];

/// The keys of sentence_bert_config.json.
pub(super) const SENTENCE: [Key; 15] = [
    ("max_seq_length", Used, ""),
    ("do_lower_case", Used, ""),
    ("transformer_task", Neutral("feature-extraction"), "sst has this one only"),
    ("modality_config", Harmless, "which output of transformers is taken: the last hidden state"),
    ("module_output_name", Neutral("token_embeddings"), "sst has this one only"),
    ("model_args", Empty, "nothing is set"),
    ("model_kwargs", Empty, "nothing is set"),
    ("tokenizer_args", Empty, "nothing is set"),
    ("processor_kwargs", Empty, "nothing is set"),
    ("config_args", Empty, "nothing is set"),
    ("config_kwargs", Empty, "nothing is set"),
    ("processing_kwargs", Empty, "nothing is set"),
    ("query_length", Empty, "nothing is set"),
    ("document_length", Empty, "nothing is set"),
    ("query_expansion", Empty, "nothing is set"),
];

/// The keys in the config.json of a Pooling module, besides one boolean for each kind.
pub(super) const POOLING: [Key; 4] = [
    ("pooling_mode", Used, ""),
    ("include_prompt", Used, ""),
    ("word_embedding_dimension", Harmless, "the width of the hidden states, which the model has"),
    ("embedding_dimension", Harmless, "the width of the hidden states, which the model has"),
];

/// The keys in the config.json of a Dense module.
pub(super) const DENSE: [Key; 7] = [
    ("in_features", Used, ""),
    ("out_features", Used, ""),
    ("bias", Used, ""),
    ("activation_function", Used, ""),
    ("use_residual", Used, ""),
    ("module_input_name", Neutral("sentence_embedding"), "sst has this one only"),
    ("module_output_name", Neutral("sentence_embedding"), "sst has this one only"),
];

/// The keys in the config.json of a Normalize module.
pub(super) const NORMALIZE: [Key; 2] = [
    ("module_input_name", Neutral("sentence_embedding"), "sst has this one only"),
    ("module_output_name", Neutral("sentence_embedding"), "sst has this one only"),
];

/// The keys of config_sentence_transformers.json.
pub(super) const PROMPTS: [Key; 6] = [
    ("prompts", Used, ""),
    ("default_prompt_name", Used, ""),
    ("similarity_fn_name", Used, ""),
    ("__version__", Harmless, "says which releases wrote the folder"),
    ("model_type", Neutral("SentenceTransformer"), "sst has this one only"),
    ("truncate_dim", Used, ""),
];

/// Adds the keys of `object` that are neither read nor listed as harmless.
pub(super) fn unused_keys(unused: &mut Unused, file: &str, object: &Value, known: &[Key]) {
    for (key, value) in object.as_object().into_iter().flatten() {
        let rule = known.iter().find(|(name, ..)| name == key).map(|(_, rule, _)| rule);
        let is_known = match rule {
            Some(Used | Harmless) => true,
            Some(Neutral(neutral)) => value.is_null() || value == neutral,
            Some(Empty) => {
                value.is_null()
                    || value.as_object().is_some_and(serde_json::Map::is_empty)
                    || value.as_array().is_some_and(Vec::is_empty)
            }
            None => false,
        };
        if !is_known {
            unused.add(UnusedKind::ConfigKey, format!("{file}: {key}"));
        }
    }
}
