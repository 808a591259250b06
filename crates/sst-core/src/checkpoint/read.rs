//! Reads safetensors: one file, or shards with their index.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use safetensors::tensor::Dtype;
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::finite::first_not_finite;
use super::header::{self, MAX_HEADER_BYTES, malformed};
use crate::error::{CheckpointError, Result};

/// The types that parameters may have in files. Types of less than 16 bits need scales that are stored separately.
const FLOATS: [&str; 4] = ["F64", "F32", "F16", "BF16"];

/// The number of bytes that a thread reads at a time.
const PART: usize = 8 << 20;

/// The tensors of a file or a folder. The headers are parsed once, and a tensor is read when it is requested.
///
/// The files are not mapped into memory: if one is truncated while it is loaded, access to mapped memory ends the
/// process with SIGBUS, while a read returns an error.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    files: Vec<Opened>,
    index: BTreeMap<String, Entry>,
    /// The metadata of the first file.
    metadata: HashMap<String, String>,
}

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    file: File,
}

/// The header's entry of a tensor.
#[derive(Debug)]
struct Entry {
    /// The index of its file in `files`.
    file: usize,
    dtype: Dtype,
    shape: Vec<i64>,
    /// The offset of its first byte in the file, and its number of bytes.
    start: u64,
    length: usize,
}

/// The content of `model.safetensors.index.json`.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

impl Weights {
    /// Opens a `.safetensors` file, or a folder with `model.safetensors` or with shards and their index.
    ///
    /// # Errors
    /// If there is no such file, or one is truncated or is not a safetensors file.
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
            return Err(no_weights(path).into());
        }
        Ok(Self::from_shards(path, &index_path)?)
    }

    fn from_shards(path: &Path, index_path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { path: index_path.to_owned(), source };
        let size = std::fs::metadata(index_path).map_err(io)?.len();
        if size > MAX_HEADER_BYTES {
            let reason = format!("its index has {size} bytes, more than {MAX_HEADER_BYTES}");
            return Err(malformed(index_path, &reason));
        }
        let text = std::fs::read_to_string(index_path).map_err(io)?;
        let shards: ShardIndex = serde_json::from_str(&text)
            .map_err(|e| malformed(index_path, &format!("it {}", sst_data::json_problem(&e))))?;
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
        let (index, metadata) = (BTreeMap::new(), HashMap::new());
        let mut weights = Self { path: path.to_owned(), files: Vec::new(), index, metadata };
        for file in files {
            weights.add(file)?;
        }
        Ok(weights)
    }

    /// Opens a file and adds the tensors of its header.
    fn add(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let file = File::open(path)
            .map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
        let (data, header) = header::read(path, &file)?;
        if self.files.is_empty() {
            self.metadata = header.metadata().clone().unwrap_or_default();
        }
        for name in header.offset_keys() {
            let Some(info) = header.info(&name) else { continue };
            // The header was checked: the offsets lie within the file, and the shapes match the byte counts.
            let (start, end) = info.data_offsets;
            let entry = Entry {
                file: self.files.len(),
                dtype: info.dtype,
                shape: info.shape.iter().map(|d| *d as i64).collect(),
                start: data + start as u64,
                length: end - start,
            };
            if let Some(other) = self.index.insert(name.clone(), entry) {
                let other = self.files.get(other.file).map_or(path, |file| &file.path);
                let other = other.file_name().unwrap_or_default().to_string_lossy();
                let reason = format!("`{name}` stands in two shards, here and in {other}");
                return Err(malformed(path, &reason));
            }
        }
        self.files.push(Opened { path: path.to_owned(), file });
        Ok(())
    }

    /// The file or folder, for error messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that hold the tensors.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| &*file.path)
    }

    /// The names of the tensors, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// Whether there is a tensor `name`.
    pub fn contains(&self, name: &str) -> bool {
        self.index.contains_key(name)
    }

    /// The metadata of the first file.
    pub fn metadata(&self) -> &HashMap<String, String> {
        &self.metadata
    }

    /// The shape of tensor `name`.
    ///
    /// # Errors
    /// If there is no tensor of that name.
    pub fn shape(&self, name: &str) -> Result<Vec<i64>> {
        Ok(self.entry(name)?.shape.clone())
    }

    /// The type of tensor `name` in the spelling of safetensors: `F32`, `BF16`, `I64`, ...
    ///
    /// # Errors
    /// If there is no tensor of that name.
    pub fn dtype(&self, name: &str) -> Result<String> {
        Ok(format!("{:?}", self.entry(name)?.dtype))
    }

    /// The bytes of tensor `name` in row-major order, little-endian.
    ///
    /// # Errors
    /// If there is no tensor of that name, or the file cannot be read or was truncated.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read(name, &mut bytes)?;
        Ok(bytes)
    }

    /// Reads the bytes of a tensor into `buffer` and replaces its content. Several threads read a large tensor in
    /// parts.
    fn read(&self, name: &str, buffer: &mut Vec<u8>) -> Result<(), CheckpointError> {
        let entry = self.entry(name)?;
        let Opened { path, file } = &self.files[entry.file];
        buffer.resize(entry.length, 0);
        let part = |(number, part): (usize, &mut [u8])| {
            file.read_exact_at(part, entry.start + (number * PART) as u64)
        };
        buffer.par_chunks_mut(PART).enumerate().try_for_each(part).map_err(|source| {
            match source.kind() {
                ErrorKind::UnexpectedEof => malformed(path, "it was cut off after it was opened"),
                _ => CheckpointError::Io { path: path.clone(), source },
            }
        })
    }

    /// Whether two tensors have the same type, shape and bytes.
    ///
    /// # Errors
    /// If there is no tensor of one of the names.
    pub fn same(&self, one: &str, other: &str) -> Result<bool> {
        let (a, b) = (self.entry(one)?, self.entry(other)?);
        Ok(a.dtype == b.dtype && a.shape == b.shape && self.bytes(one)? == self.bytes(other)?)
    }

    /// Checks that a tensor has a floating-point type and that all of its values are finite in fp32.
    ///
    /// # Errors
    /// If one of the two is not the case, or there is no tensor of that name.
    pub fn check_numbers(&self, name: &str) -> Result<()> {
        self.numbers(name, &mut Vec::new())
    }

    /// Reads the bytes of tensor `name` into `buffer` and checks them as [`Self::check_numbers`] does.
    fn numbers(&self, name: &str, buffer: &mut Vec<u8>) -> Result<()> {
        let (path, owned) = (self.file_of(name).to_owned(), name.to_owned());
        let dtype = self.dtype(name)?;
        if !FLOATS.contains(&&*dtype) {
            return Err(CheckpointError::NotFloat { path, name: owned, dtype }.into());
        }
        self.read(name, buffer)?;
        match first_not_finite(buffer, &dtype) {
            None => Ok(()),
            Some(place) => Err(CheckpointError::NotFinite { path, name: owned, place }.into()),
        }
    }

    /// [`Self::tensor`] with the check of [`Self::check_numbers`]. The bytes are read into `buffer`; pass the same
    /// buffer for each tensor, so that it is allocated once.
    ///
    /// # Errors
    /// As for [`Self::check_numbers`].
    pub(super) fn finite_tensor(&self, name: &str, buffer: &mut Vec<u8>) -> Result<Tensor> {
        self.numbers(name, buffer)?;
        self.made_of(name, buffer)
    }

    /// The tensor `name` on the CPU, in the type of the file.
    ///
    /// # Errors
    /// If there is no tensor of that name, or libtorch has no such type.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        self.made_of(name, &self.bytes(name)?)
    }

    /// Makes the tensor `name` from its bytes.
    fn made_of(&self, name: &str, bytes: &[u8]) -> Result<Tensor> {
        let entry = self.entry(name)?;
        let Some(kind) = kind_of(entry.dtype) else {
            let path = self.files[entry.file].path.clone();
            let dtype = format!("{:?}", entry.dtype);
            return Err(CheckpointError::Dtype { path, name: name.to_owned(), dtype }.into());
        };
        Ok(Tensor::f_from_data_size(bytes, &entry.shape, kind)?)
    }

    /// The file that holds tensor `name`, for error messages.
    fn file_of(&self, name: &str) -> &Path {
        self.index.get(name).map_or(&self.path, |entry| &self.files[entry.file].path)
    }

    fn entry(&self, name: &str) -> Result<&Entry, CheckpointError> {
        let missing =
            || CheckpointError::NoTensor { path: self.path.clone(), name: name.to_owned() };
        self.index.get(name).ok_or_else(missing)
    }
}

/// The error for a folder without safetensors; it names the weights in other formats that the folder holds.
fn no_weights(path: &Path) -> CheckpointError {
    let others =
        ["pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"];
    let other = others.into_iter().find(|name| path.join(name).is_file());
    CheckpointError::NoWeights { path: path.to_owned(), other }
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
