//! What files call the parameters of Llama.

use sst_core::checkpoint::Renamed;

/// The parameter that `name` of a file stands for, but for the head's projection. `prefixed`: the model's
/// decoder is called `model.`.
pub(super) fn rename(name: &str, prefixed: bool) -> Renamed {
    // A buffer of older releases.
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
