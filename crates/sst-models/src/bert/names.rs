//! What older or smaller files call the parameters of BERT.

/// The parameters below the encoder, without the `bert.` prefix.
const BASE: [&str; 3] = ["embeddings.", "encoder.", "pooler."];

/// The parameter that `name` of a file stands for, as `BertModel` calls it: without the prefix `bert.`, and
/// with the newer names of the norms' parameters.
pub(super) fn canonical(name: &str) -> String {
    let base = name.strip_prefix("bert.").filter(|base| is_base(base)).unwrap_or(name);
    // The names of the first TensorFlow release.
    match base.rsplit_once('.') {
        Some((stem, "gamma")) => format!("{stem}.weight"),
        Some((stem, "beta")) => format!("{stem}.bias"),
        _ => base.to_owned(),
    }
}

/// Whether it is a parameter of the encoder, by its canonical name.
pub(super) fn is_base(name: &str) -> bool {
    BASE.iter().any(|part| name.starts_with(part))
}

/// Whether it is a buffer that transformers kept until version 4.31.
pub(super) fn is_buffer(name: &str) -> bool {
    name.ends_with("embeddings.position_ids")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_finds_its_parameter() {
        for (name, expected) in [
            ("bert.embeddings.LayerNorm.gamma", "embeddings.LayerNorm.weight"),
            ("embeddings.LayerNorm.beta", "embeddings.LayerNorm.bias"),
            ("encoder.layer.0.output.dense.bias", "encoder.layer.0.output.dense.bias"),
            ("bert.pooler.dense.weight", "pooler.dense.weight"),
            (
                "cls.predictions.transform.LayerNorm.gamma",
                "cls.predictions.transform.LayerNorm.weight",
            ),
            ("classifier.weight", "classifier.weight"),
            ("bert.adapter.weight", "bert.adapter.weight"),
        ] {
            assert_eq!(canonical(name), expected);
        }
        assert!(
            is_buffer("bert.embeddings.position_ids")
                && !is_buffer("embeddings.position_embeddings.weight")
        );
    }
}
