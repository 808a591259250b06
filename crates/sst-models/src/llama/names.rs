//! Names of Llama's parameters in files.

use sst_core::checkpoint::Renamed;

use crate::causal::CausalNames;

/// The names of Llama's modules. The decoder of `LlamaForQuestionAnswering` has another name than in all other
/// architectures.
pub(super) const NAMES: CausalNames = CausalNames {
    words: "embed_tokens.weight",
    layers: "layers.",
    base: "LlamaModel",
    decoder: "model",
    span: ("LlamaForQuestionAnswering", "transformer"),
    token_head: "score",
    rename,
};

/// The use of the tensor `name` of a file, except for the head's projection, in a model whose decoder has this prefix.
fn rename(name: &str, prefix: &str) -> Renamed {
    // Older releases saved this buffer.
    if name.ends_with("rotary_emb.inv_freq") {
        return Renamed::Ignore;
    }
    let base = ["model.", "transformer."].iter().find_map(|start| name.strip_prefix(start));
    let base = base.unwrap_or(name);
    let is_base = ["embed_tokens.", "layers.", "norm."].iter().any(|part| base.starts_with(part));
    Renamed::To(if is_base { format!("{prefix}{base}") } else { name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_finds_its_parameter() {
        for (name, prefix, expected) in [
            ("embed_tokens.weight", "model.", Some("model.embed_tokens.weight")),
            ("model.norm.weight", "", Some("norm.weight")),
            ("model.layers.0.mlp.up_proj.bias", "model.", Some("model.layers.0.mlp.up_proj.bias")),
            ("model.norm.weight", "transformer.", Some("transformer.norm.weight")),
            ("transformer.norm.weight", "model.", Some("model.norm.weight")),
            ("model.layers.3.self_attn.rotary_emb.inv_freq", "model.", None),
            ("score.weight", "model.", Some("score.weight")),
        ] {
            let expected = expected.map_or(Renamed::Ignore, |name| Renamed::To(name.to_owned()));
            assert_eq!(rename(name, prefix), expected, "{name}");
        }
    }
}
