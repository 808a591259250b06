//! Goldens: where they are, how they are read, how tensors are compared.

use std::path::{Path, PathBuf};

use sst_core::checkpoint::Weights;
use tch::{Device, Kind, Tensor};

/// A file or folder of `tests/goldens`.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens").join(name)
}

/// A golden case: tensors by name.
pub(crate) struct Case(Weights);

impl Case {
    /// Opens `case.safetensors` of a folder; a missing one fails.
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

/// Fails with the name and the distance if they are further apart than `tolerance`.
pub(crate) fn close(name: &str, got: &Tensor, want: &Tensor, tolerance: f64) {
    let distance = distance(got, want);
    assert!(distance <= tolerance, "{name}: relative distance {distance:e} is above {tolerance:e}");
}
