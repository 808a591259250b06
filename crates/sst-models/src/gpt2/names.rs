//! Names of GPT-2's parameters in files.

use sst_core::checkpoint::Renamed;

use crate::causal::CausalNames;

/// The names of GPT-2's modules.
pub(super) const NAMES: CausalNames = CausalNames {
    words: "wte.weight",
    layers: "h.",
    base: "GPT2Model",
    decoder: "transformer",
    span: ("GPT2ForQuestionAnswering", "transformer"),
    token_head: "classifier",
    rename,
};

/// The use of the tensor `name` of a file, except for the head's projection, in a model whose decoder has this prefix.
fn rename(name: &str, prefix: &str) -> Renamed {
    // transformers saved these masks as buffers until version 4.31.
    if name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") {
        return Renamed::Ignore;
    }
    let base = name.strip_prefix("transformer.").unwrap_or(name);
    let is_base = ["wte.", "wpe.", "h.", "ln_f."].iter().any(|part| base.starts_with(part));
    Renamed::To(if is_base { format!("{prefix}{base}") } else { name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, is_prefixed: bool, expected: Option<&str>) {
        let expected = expected.map_or(Renamed::Ignore, |name| Renamed::To(name.to_owned()));
        let prefix = if is_prefixed { "transformer." } else { "" };
        assert_eq!(rename(name, prefix), expected, "{name}");
    }

    #[test]
    fn every_spelling_finds_its_parameter() {
        check("wte.weight", true, Some("transformer.wte.weight"));
        check("transformer.h.0.ln_1.bias", true, Some("transformer.h.0.ln_1.bias"));
        check("transformer.h.0.attn.c_attn.bias", false, Some("h.0.attn.c_attn.bias"));
        check("h.11.attn.bias", true, None);
        check("transformer.h.11.attn.masked_bias", false, None);
        check("score.weight", true, Some("score.weight"));
    }
}
