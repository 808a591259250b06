//! Reading safetensors: one file, or shards with their index.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use filebuffer::FileBuffer;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::error::CheckpointError;
use crate::error::Result;

/// The tensors of a file or a folder, mapped and read when asked for.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    files: Vec<Mapped>,
    /// Tensor name to file.
    index: BTreeMap<String, usize>,
}

#[derive(Debug)]
struct Mapped {
    path: PathBuf,
    map: FileBuffer,
}

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens a `.safetensors` file, or a folder with `model.safetensors` or shards and their index.
    ///
    /// # Errors
    /// If there is none, or one is cut off or not a safetensors file.
    pub fn open(path: &Path) -> Result<Self> {
        if path.is_file() {
            return Ok(Self::from_files(path, &[path.to_owned()])?);
        }
        let single = path.join("model.safetensors");
        if single.is_file() {
            return Ok(Self::from_files(path, &[single])?);
        }
        let index_path = path.join("model.safetensors.index.json");
        if !index_path.is_file() {
            return Err(CheckpointError::NoWeights { path: path.to_owned() }.into());
        }
        Ok(Self::from_shards(path, &index_path)?)
    }

    fn from_shards(path: &Path, index_path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { path: index_path.to_owned(), source };
        let text = std::fs::read_to_string(index_path).map_err(io)?;
        let shards: ShardIndex = serde_json::from_str(&text)
            .map_err(|e| malformed(index_path, &format!("its index does not parse: {e}")))?;
        let mut names: Vec<&String> = shards.weight_map.values().collect();
        names.sort();
        names.dedup();
        if let Some(outside) = names.iter().find(|name| name.contains(['/', '\\'])) {
            return Err(malformed(index_path, &format!("shard `{outside}` is not a file name")));
        }
        let files: Vec<PathBuf> = names.iter().map(|name| path.join(name)).collect();
        let weights = Self::from_files(path, &files)?;
        match shards.weight_map.keys().find(|name| !weights.index.contains_key(*name)) {
            None => Ok(weights),
            Some(name) => Err(malformed(index_path, &format!("no shard holds `{name}`"))),
        }
    }

    fn from_files(path: &Path, files: &[PathBuf]) -> Result<Self, CheckpointError> {
        let mut weights = Self { path: path.to_owned(), files: Vec::new(), index: BTreeMap::new() };
        for file in files {
            let map = FileBuffer::open(file)
                .map_err(|source| CheckpointError::Io { path: file.clone(), source })?;
            let tensors =
                SafeTensors::deserialize(&map).map_err(|e| malformed(file, &e.to_string()))?;
            for name in tensors.names() {
                if weights.index.insert(name.to_owned(), weights.files.len()).is_some() {
                    return Err(malformed(file, &format!("`{name}` stands in two shards")));
                }
            }
            drop(tensors);
            weights.files.push(Mapped { path: file.clone(), map });
        }
        Ok(weights)
    }

    /// The file or folder, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// The metadata of the first file.
    ///
    /// # Errors
    /// If the header cannot be read.
    pub fn metadata(&self) -> Result<HashMap<String, String>> {
        let Some(file) = self.files.first() else { return Ok(HashMap::new()) };
        let (_, metadata): (usize, Metadata) = SafeTensors::read_metadata(&file.map)
            .map_err(|e| malformed(&file.path, &e.to_string()))?;
        Ok(metadata.metadata().clone().unwrap_or_default())
    }

    /// The shape of tensor `name`.
    ///
    /// # Errors
    /// If there is none.
    pub fn shape(&self, name: &str) -> Result<Vec<i64>> {
        self.with_view(name, |_, view| Ok(to_i64(view.shape())))
    }

    /// The tensor `name`, on the CPU, in the file's own type.
    ///
    /// # Errors
    /// If there is none, or its type is one that libtorch lacks here.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        self.with_view(name, |path, view| {
            let Some(kind) = kind_of(view.dtype()) else {
                let dtype = format!("{:?}", view.dtype());
                let path = path.to_owned();
                return Err(CheckpointError::Dtype { path, name: name.to_owned(), dtype }.into());
            };
            Ok(Tensor::f_from_data_size(view.data(), &to_i64(view.shape()), kind)?)
        })
    }

    fn with_view<T>(
        &self,
        name: &str,
        read: impl FnOnce(&Path, safetensors::tensor::TensorView<'_>) -> Result<T>,
    ) -> Result<T> {
        let Some(file) = self.index.get(name).map(|i| &self.files[*i]) else {
            let error =
                CheckpointError::NoTensor { path: self.path.clone(), name: name.to_owned() };
            return Err(error.into());
        };
        let tensors = SafeTensors::deserialize(&file.map)
            .map_err(|e| malformed(&file.path, &e.to_string()))?;
        let view = tensors.tensor(name).map_err(|e| malformed(&file.path, &e.to_string()))?;
        read(&file.path, view)
    }
}

fn malformed(path: &Path, reason: &str) -> CheckpointError {
    CheckpointError::Malformed { path: path.to_owned(), reason: reason.to_owned() }
}

fn to_i64(shape: &[usize]) -> Vec<i64> {
    shape.iter().map(|d| *d as i64).collect()
}

fn kind_of(dtype: Dtype) -> Option<Kind> {
    match dtype {
        Dtype::F64 => Some(Kind::Double),
        Dtype::F32 => Some(Kind::Float),
        Dtype::F16 => Some(Kind::Half),
        Dtype::BF16 => Some(Kind::BFloat16),
        Dtype::I64 => Some(Kind::Int64),
        Dtype::I32 => Some(Kind::Int),
        Dtype::U8 => Some(Kind::Uint8),
        Dtype::BOOL => Some(Kind::Bool),
        _ => None,
    }
}
