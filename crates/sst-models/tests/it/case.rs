//! Goldens: their paths, how to read them, and how to compare tensors. Also a small model.

use std::path::{Path, PathBuf};

use serde_json::json;
use sst_core::Model;
use sst_core::checkpoint::Weights;
use sst_models::{BuildOptions, InitOptions, build};
use tch::{Device, Kind, Tensor};

/// A file or folder of `tests/goldens`.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens").join(name)
}

/// A golden case: tensors by name.
pub(crate) struct Case(Weights);

impl Case {
    /// Opens `case.safetensors` of a folder. A missing file fails the test.
    pub(crate) fn open(folder: &Path) -> Self {
        Self(Weights::open(&folder.join("case.safetensors")).unwrap())
    }

    pub(crate) fn get(&self, name: &str) -> Tensor {
        self.0.tensor(name).unwrap()
    }

    pub(crate) fn find(&self, name: &str) -> Option<Tensor> {
        self.0.names().any(|other| other == name).then(|| self.get(name))
    }

    pub(crate) fn names(&self, prefix: &str) -> Vec<String> {
        self.0.names().filter_map(|name| name.strip_prefix(prefix)).map(str::to_owned).collect()
    }
}

/// `|got - want| / |want|` by 2-norms.
pub(crate) fn distance(got: &Tensor, want: &Tensor) -> f64 {
    assert_eq!(got.size(), want.size());
    let (got, want) = (got.to_kind(Kind::Double).detach(), want.to_kind(Kind::Double));
    let norm = |x: &Tensor| x.norm().double_value(&[]);
    norm(&(got.to_device(Device::Cpu) - &want)) / norm(&want).max(1e-30)
}

/// Fails with the name and the distance if the tensors differ by more than `tolerance`.
pub(crate) fn close(name: &str, got: &Tensor, want: &Tensor, tolerance: f64) {
    let distance = distance(got, want);
    assert!(distance <= tolerance, "{name}: relative distance {distance:e} is above {tolerance:e}");
}

/// A BERT with three layers, 50 tokens and 40 positions, with fixed weights and this dropout probability.
pub(crate) fn small(dropout: f64) -> Box<dyn Model> {
    let config = json!({
        "model_type": "bert", "vocab_size": 50, "hidden_size": 32, "num_hidden_layers": 3,
        "num_attention_heads": 4, "intermediate_size": 64, "max_position_embeddings": 40,
        "hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout,
    });
    let options = BuildOptions {
        device: Device::Cpu,
        seed: Some(4),
        architecture: None,
        init: InitOptions::default(),
    };
    build(&config, &options).unwrap()
}
