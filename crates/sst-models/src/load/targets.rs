//! Checks that the targets of LoRA name linear layers.

use sst_core::lora::names_layer;
use sst_core::{LoraConfig, LoraTargets};

use crate::error::{ModelError, bad};

/// The last parts of the names of matrices that are no linear layers.
const EMBEDDINGS: [&str; 6] = [
    "word_embeddings",
    "position_embeddings",
    "token_type_embeddings",
    "embed_tokens",
    "wte",
    "wpe",
];

/// Checks that each target names one of `layers`. `known` are modules to name in the error.
///
/// # Errors
/// If a target names none, or there are no layers.
pub(super) fn check(lora: &LoraConfig, layers: &[&str], known: &[&str]) -> Result<(), ModelError> {
    let names: &[String] = match &lora.targets {
        LoraTargets::AllLinear if layers.is_empty() => {
            return Err(bad("lora.targets", "the model has no linear layer to adapt"));
        }
        LoraTargets::AllLinear => &[],
        LoraTargets::Named(names) => names,
    };
    let is_missing = |name: &&String| !layers.iter().any(|layer| names_layer(name, layer));
    let Some(name) = names.iter().find(is_missing) else { return Ok(()) };
    let mut ends: Vec<&str> = known.iter().filter_map(|module| module.rsplit('.').next()).collect();
    ends.retain(|end| !EMBEDDINGS.contains(end));
    ends.sort_unstable();
    ends.dedup();
    let message = format!(
        "`{name}` is no linear layer that can be adapted (the head of a task is trained as a whole); the names of \
         layers end with {}",
        ends.join(", ")
    );
    Err(bad("lora.targets", &message))
}
