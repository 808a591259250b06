//! What files call the parameters of Llama.

use sst_core::checkpoint::Renamed;

/// The parameter that `name` of a file stands for. `prefixed`: the model's decoder is called `model.`; `tied`:
/// its vocabulary projection is the word embeddings.
pub(super) fn rename(name: &str, prefixed: bool, tied: bool) -> Renamed {
    if name == "lm_head.weight" {
        return if tied { Renamed::Ignore } else { Renamed::To(name.to_owned()) };
    }
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
        for (name, prefixed, tied, expected) in [
            ("embed_tokens.weight", true, true, Some("model.embed_tokens.weight")),
            ("model.norm.weight", false, true, Some("norm.weight")),
            (
                "model.layers.0.mlp.up_proj.bias",
                true,
                true,
                Some("model.layers.0.mlp.up_proj.bias"),
            ),
            ("model.layers.3.self_attn.rotary_emb.inv_freq", true, true, None),
            ("lm_head.weight", true, true, None),
            ("lm_head.weight", true, false, Some("lm_head.weight")),
            ("score.weight", true, false, Some("score.weight")),
        ] {
            let expected = expected.map_or(Renamed::Ignore, |name| Renamed::To(name.to_owned()));
            assert_eq!(rename(name, prefixed, tied), expected, "{name}");
        }
    }
}
