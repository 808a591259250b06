//! Names of Llama's parameters in files.

use sst_core::checkpoint::Renamed;

/// The use of the tensor `name` of a file, except for the head's projection. With `prefixed`, the decoder's
/// parameters have the prefix `model.`.
pub(super) fn rename(name: &str, prefixed: bool) -> Renamed {
    // Older releases saved this buffer.
    if name.ends_with("rotary_emb.inv_freq") {
        return Renamed::Ignore;
    }
    let base = name.strip_prefix("model.").unwrap_or(name);
    let is_base = ["embed_tokens.", "layers.", "norm."].iter().any(|part| base.starts_with(part));
    Renamed::To(match (is_base, prefixed) {
        (true, true) => format!("model.{base}"),
        (true, false) => base.to_owned(),
        (false, _) => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_finds_its_parameter() {
        for (name, prefixed, expected) in [
            ("embed_tokens.weight", true, Some("model.embed_tokens.weight")),
            ("model.norm.weight", false, Some("norm.weight")),
            ("model.layers.0.mlp.up_proj.bias", true, Some("model.layers.0.mlp.up_proj.bias")),
            ("model.layers.3.self_attn.rotary_emb.inv_freq", true, None),
            ("score.weight", true, Some("score.weight")),
        ] {
            let expected = expected.map_or(Renamed::Ignore, |name| Renamed::To(name.to_owned()));
            assert_eq!(rename(name, prefixed), expected, "{name}");
        }
    }
}
