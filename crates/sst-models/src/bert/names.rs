//! What older or smaller files call the parameters of BERT.

use sst_core::checkpoint::Renamed;

/// The parameters below the encoder, without the `bert.` prefix.
const BASE: [&str; 3] = ["embeddings.", "encoder.", "pooler."];

/// The parameter that `name` of a file stands for. `prefixed`: the model's encoder is called `bert.`;
/// `tied`: its vocabulary projection is the word embeddings.
pub(super) fn rename(name: &str, prefixed: bool, tied: bool) -> Renamed {
    // A buffer that transformers kept until version 4.31.
    if name.ends_with("embeddings.position_ids") {
        return Renamed::Ignore;
    }
    // The bias is one tensor under two names, and so is a tied projection.
    if name == "cls.predictions.decoder.bias" || (tied && name == "cls.predictions.decoder.weight")
    {
        return Renamed::Ignore;
    }
    let base = name.strip_prefix("bert.").unwrap_or(name);
    let is_base = BASE.iter().any(|part| base.starts_with(part));
    let name = match (is_base, prefixed) {
        (true, true) => format!("bert.{base}"),
        (true, false) => base.to_owned(),
        (false, _) => name.to_owned(),
    };
    // The names of the first TensorFlow release.
    Renamed::To(match name.rsplit_once('.') {
        Some((stem, "gamma")) => format!("{stem}.weight"),
        Some((stem, "beta")) => format!("{stem}.bias"),
        _ => name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, prefixed: bool, expected: Option<&str>) {
        let expected = expected.map_or(Renamed::Ignore, |name| Renamed::To(name.to_owned()));
        assert_eq!(rename(name, prefixed, true), expected, "{name}");
    }

    #[test]
    fn every_spelling_finds_its_parameter() {
        check("bert.embeddings.LayerNorm.gamma", true, Some("bert.embeddings.LayerNorm.weight"));
        check("embeddings.LayerNorm.beta", true, Some("bert.embeddings.LayerNorm.bias"));
        check(
            "encoder.layer.0.output.dense.bias",
            false,
            Some("encoder.layer.0.output.dense.bias"),
        );
        check("bert.pooler.dense.weight", false, Some("pooler.dense.weight"));
        check(
            "cls.predictions.transform.LayerNorm.gamma",
            true,
            Some("cls.predictions.transform.LayerNorm.weight"),
        );
        check("bert.embeddings.position_ids", true, None);
        check("cls.predictions.decoder.weight", true, None);
        check("cls.predictions.decoder.bias", true, None);
        check("classifier.weight", true, Some("classifier.weight"));
    }

    #[test]
    fn an_untied_projection_is_a_parameter() {
        let name = "cls.predictions.decoder.weight";
        assert_eq!(rename(name, true, false), Renamed::To(name.to_owned()));
    }
}
