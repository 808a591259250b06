//! Names of BERT's parameters in older files, and in files of the encoder alone.

/// Prefixes of the encoder's parameters, after the prefix `bert.`.
const BASE: [&str; 3] = ["embeddings.", "encoder.", "pooler."];

/// The parameter that the tensor `name` of a file stands for: without the prefix `bert.`, and with `weight` and
/// `bias` instead of the old names `gamma` and `beta` in norms.
pub(super) fn canonical(name: &str) -> String {
    let base = name.strip_prefix("bert.").filter(|base| is_base(base)).unwrap_or(name);
    // The first TensorFlow release used these names.
    match base.rsplit_once('.') {
        Some((stem, "gamma")) => format!("{stem}.weight"),
        Some((stem, "beta")) => format!("{stem}.bias"),
        _ => base.to_owned(),
    }
}

/// Whether a canonical name is that of a parameter of the encoder.
pub(super) fn is_base(name: &str) -> bool {
    BASE.iter().any(|part| name.starts_with(part))
}

/// Whether the tensor is a buffer that transformers saved until version 4.31.
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
