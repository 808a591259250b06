//! Names of GPT-2's parameters in files.

use sst_core::checkpoint::Renamed;

/// The use of the tensor `name` of a file, except for the head's projection. With `prefixed`, the decoder's
/// parameters have the prefix `transformer.`.
pub(super) fn rename(name: &str, prefixed: bool) -> Renamed {
    // transformers saved these masks as buffers until version 4.31.
    if name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias") {
        return Renamed::Ignore;
    }
    let base = name.strip_prefix("transformer.").unwrap_or(name);
    let is_base = ["wte.", "wpe.", "h.", "ln_f."].iter().any(|part| base.starts_with(part));
    Renamed::To(match (is_base, prefixed) {
        (true, true) => format!("transformer.{base}"),
        (true, false) => base.to_owned(),
        (false, _) => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, prefixed: bool, expected: Option<&str>) {
        let expected = expected.map_or(Renamed::Ignore, |name| Renamed::To(name.to_owned()));
        assert_eq!(rename(name, prefixed), expected, "{name}");
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
