//! Copies of golden folders with changes.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use sst_core::checkpoint::{Weights, write_tensors};
use tch::Tensor;
use tempfile::TempDir;

use crate::case::golden;

/// The content of a model folder, before it is written.
pub(crate) struct Content {
    pub(crate) config: Map<String, Value>,
    pub(crate) tensors: BTreeMap<String, Tensor>,
}

impl Content {
    /// Reads a folder of `tests/goldens`.
    pub(crate) fn of(name: &str) -> Self {
        let text = std::fs::read_to_string(golden(name).join("config.json")).unwrap();
        let weights = Weights::open(&golden(name)).unwrap();
        let tensors =
            weights.names().map(|name| (name.to_owned(), weights.tensor(name).unwrap())).collect();
        Self { config: serde_json::from_str(&text).unwrap(), tensors }
    }

    /// Removes the tensors whose names contain `part`.
    pub(crate) fn drop(&mut self, part: &str) {
        self.tensors.retain(|name, _| !name.contains(part));
    }

    /// Adds a tensor of three numbers.
    pub(crate) fn add(&mut self, name: &str) {
        self.tensors.insert(name.to_owned(), Tensor::from_slice(&[1_f32, 2.0, 3.0]));
    }

    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.config.insert(key.to_owned(), value.into());
    }

    pub(crate) fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        let config = Value::Object(self.config.clone()).to_string();
        std::fs::write(folder.join("config.json"), config).unwrap();
        write_tensors(&folder.join("model.safetensors"), &self.tensors, &[]).unwrap();
    }
}

/// A copy of a golden folder's config and weights, changed by `change`.
pub(crate) fn altered(name: &str, change: impl FnOnce(&mut Content)) -> TempDir {
    let mut content = Content::of(name);
    change(&mut content);
    let folder = TempDir::new().unwrap();
    content.write(folder.path());
    folder
}
