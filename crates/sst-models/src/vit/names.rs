//! Names of the parameters of ViT and ViTMAE in files.

/// Prefixes of the encoder's parameters, after the prefix `vit.`.
const BASE: [&str; 4] = ["embeddings.", "encoder.", "layernorm.", "pooler."];

/// The names of the parts of a layer in the memory of transformers 5, and on the hub.
const PARTS: [(&str, &str); 6] = [
    (".attention.q_proj.", ".attention.attention.query."),
    (".attention.k_proj.", ".attention.attention.key."),
    (".attention.v_proj.", ".attention.attention.value."),
    (".attention.o_proj.", ".attention.output.dense."),
    (".mlp.fc1.", ".intermediate.dense."),
    (".mlp.fc2.", ".output.dense."),
];
/// The prefixes of layers that transformers 5 writes or has in memory, and those on the hub.
const LAYERS: [(&str, &str); 2] =
    [("layers.", "encoder.layer."), ("decoder.decoder_encoder.layer.", "decoder.decoder_layers.")];

/// The parameter that the tensor `name` of a file stands for: without the prefix `vit.`, and under its name on the hub.
pub(crate) fn canonical(name: &str) -> String {
    let mut base = name.strip_prefix("vit.").unwrap_or(name).to_owned();
    for (other, hub) in LAYERS {
        if let Some(rest) = base.strip_prefix(other) {
            base = format!("{hub}{rest}");
        }
    }
    for (other, hub) in PARTS {
        base = base.replace(other, hub);
    }
    match is_base(&base) || base == name {
        true => base,
        false if base.starts_with("decoder.") => base,
        // Another part of a model whose encoder is `vit`.
        false => name.to_owned(),
    }
}

/// Whether a canonical name is that of a parameter of the encoder.
pub(super) fn is_base(name: &str) -> bool {
    BASE.iter().any(|part| name.starts_with(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_finds_its_parameter() {
        for (name, expected) in [
            ("vit.embeddings.cls_token", "embeddings.cls_token"),
            ("embeddings.cls_token", "embeddings.cls_token"),
            (
                "vit.layers.10.attention.q_proj.bias",
                "encoder.layer.10.attention.attention.query.bias",
            ),
            ("layers.0.mlp.fc2.weight", "encoder.layer.0.output.dense.weight"),
            (
                "vit.encoder.layer.0.attention.output.dense.weight",
                "encoder.layer.0.attention.output.dense.weight",
            ),
            (
                "decoder.decoder_encoder.layer.1.attention.attention.key.bias",
                "decoder.decoder_layers.1.attention.attention.key.bias",
            ),
            (
                "decoder.decoder_layers.1.attention.o_proj.bias",
                "decoder.decoder_layers.1.attention.output.dense.bias",
            ),
            ("vit.adapter.weight", "vit.adapter.weight"),
            ("classifier.weight", "classifier.weight"),
        ] {
            assert_eq!(canonical(name), expected);
        }
    }
}
