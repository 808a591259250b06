//! Lists the keys and tensors of a GGUF file that were not used.

use sst_data::{Harmless, Unused, UnusedKind};

use super::file::Gguf;

/// Keys that do not change what is read, each with the reason.
const HARMLESS: &[Harmless] = &[
    ("general.type", "says that the file holds a model"),
    ("general.name", "names the model"),
    ("general.author", "says who made it"),
    ("general.version", "says which release of the model it is"),
    ("general.description", "describes it"),
    ("general.organization", "says who made it"),
    ("general.basename", "names the model"),
    ("general.finetune", "names the model"),
    ("general.size_label", "names the model"),
    ("general.quantized_by", "says who packed it"),
    ("general.quantization_version", "each tensor says its type"),
    ("general.file_type", "each tensor says its type"),
    ("general.url", "says where it comes from"),
    ("general.doi", "says where it comes from"),
    ("general.uuid", "says where it comes from"),
    ("general.repo_url", "says where it comes from"),
    ("general.tags", "describes it"),
    ("general.languages", "describes it"),
    ("general.datasets", "describes it"),
    ("llama.expert_used_count", "no layer has experts: a model with experts is refused"),
    ("llama.vocab_size", "token_embd.weight has as many rows"),
    ("tokenizer.ggml.scores", "byte-level BPE goes by its merges"),
    ("tokenizer.ggml.add_space_prefix", "byte-level BPE adds none"),
    ("split.count", "the file is whole"),
    ("split.no", "the file is whole"),
    ("split.tensors.count", "the file is whole"),
];

/// Prefixes of keys that do not change what is read, each with the reason.
const HARMLESS_FAMILIES: &[Harmless] = &[
    ("general.license", "says what may be done with it"),
    ("general.source.", "says where it comes from"),
    ("general.base_model.", "says where it comes from"),
    ("general.dataset.", "says where it comes from"),
    ("quantize.imatrix.", "says how it was packed"),
];

/// Tensors of position tables, which follow from the metadata.
const HARMLESS_TENSORS: &[Harmless] =
    &[(".attn_rot_embd.weight", "a table of rates that the metadata gives")];

/// The keys and tensors that were neither used nor are listed as harmless.
pub(super) fn list(gguf: &Gguf) -> Unused {
    let [keys, tensors] = gguf.left();
    let mut unused = Unused::new();
    for key in keys {
        let is_harmless = HARMLESS.iter().any(|(name, _)| *name == key)
            || HARMLESS_FAMILIES.iter().any(|(start, _)| key.starts_with(start));
        if !is_harmless {
            unused.add(UnusedKind::ConfigKey, key);
        }
    }
    for name in tensors {
        if !HARMLESS_TENSORS.iter().any(|(end, _)| name.ends_with(end)) {
            unused.add(UnusedKind::Tensor, name);
        }
    }
    unused
}
