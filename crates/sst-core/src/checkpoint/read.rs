//! Reading safetensors: one file, or shards with their index.

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

/// The types that parameters have in files. Those of less than 16 bits come with scales beside them.
const FLOATS: [&str; 4] = ["F64", "F32", "F16", "BF16"];

/// How many bytes a thread reads at a time.
const PART: usize = 8 << 20;

/// The tensors of a file or a folder: the headers are parsed once, and a tensor is read when it is asked for.
///
/// The files are not mapped into memory: one that is cut off while it is loaded would end the process with SIGBUS, where
/// a read ends with an error.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    files: Vec<Opened>,
    index: BTreeMap<String, Entry>,
    /// Of the first file.
    metadata: HashMap<String, String>,
}

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    file: File,
}

/// What a header says of a tensor.
#[derive(Debug)]
struct Entry {
    /// Its place among the files.
    file: usize,
    dtype: Dtype,
    shape: Vec<i64>,
    /// Where its bytes begin within the file, and how many they are.
    start: u64,
    length: usize,
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

    /// Opens a file and takes the names of its header.
    fn add(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let file = File::open(path)
            .map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
        let (data, header) = header::read(path, &file)?;
        if self.files.is_empty() {
            self.metadata = header.metadata().clone().unwrap_or_default();
        }
        for name in header.offset_keys() {
            let Some(info) = header.info(&name) else { continue };
            // The header was checked: offsets lie within the file, and shapes give as many bytes.
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

    /// The file or folder, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The files that hold the tensors.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| &*file.path)
    }

    /// The names, sorted.
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
    /// If there is none.
    pub fn shape(&self, name: &str) -> Result<Vec<i64>> {
        Ok(self.entry(name)?.shape.clone())
    }

    /// The type of tensor `name` as safetensors calls it: `F32`, `BF16`, `I64`, ...
    ///
    /// # Errors
    /// If there is none.
    pub fn dtype(&self, name: &str) -> Result<String> {
        Ok(format!("{:?}", self.entry(name)?.dtype))
    }

    /// The bytes of tensor `name`, row by row, little-endian.
    ///
    /// # Errors
    /// If there is none, or the file cannot be read or was cut off.
    pub fn bytes(&self, name: &str) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read(name, &mut bytes)?;
        Ok(bytes)
    }

    /// [`Self::bytes`] into `buffer`, whose content is replaced; parts of large tensors are read by several threads.
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

    /// Whether two tensors are of one type and shape and hold the same bytes.
    ///
    /// # Errors
    /// If there is no tensor of a name.
    pub fn same(&self, one: &str, other: &str) -> Result<bool> {
        let (a, b) = (self.entry(one)?, self.entry(other)?);
        Ok(a.dtype == b.dtype && a.shape == b.shape && self.bytes(one)? == self.bytes(other)?)
    }

    /// Refuses a tensor that is not of floating-point numbers, or holds one that is not finite in fp32.
    ///
    /// # Errors
    /// If it does, or there is none.
    pub fn check_numbers(&self, name: &str) -> Result<()> {
        self.numbers(name, &mut Vec::new())
    }

    /// Reads the numbers of tensor `name` into `buffer` and refuses those of [`Self::check_numbers`].
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

    /// [`Self::tensor`] of numbers that are all finite, with `buffer` to read into, which is best used again for the
    /// next tensor.
    ///
    /// # Errors
    /// As for [`Self::check_numbers`].
    pub(super) fn finite_tensor(&self, name: &str, buffer: &mut Vec<u8>) -> Result<Tensor> {
        self.numbers(name, buffer)?;
        self.made_of(name, buffer)
    }

    /// The tensor `name`, on the CPU, in the file's own type.
    ///
    /// # Errors
    /// If there is none, or its type is one that libtorch lacks here.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        self.made_of(name, &self.bytes(name)?)
    }

    /// The tensor `name` of its bytes.
    fn made_of(&self, name: &str, bytes: &[u8]) -> Result<Tensor> {
        let entry = self.entry(name)?;
        let Some(kind) = kind_of(entry.dtype) else {
            let path = self.files[entry.file].path.clone();
            let dtype = format!("{:?}", entry.dtype);
            return Err(CheckpointError::Dtype { path, name: name.to_owned(), dtype }.into());
        };
        Ok(Tensor::f_from_data_size(bytes, &entry.shape, kind)?)
    }

    /// The file that holds tensor `name`, for messages.
    fn file_of(&self, name: &str) -> &Path {
        self.index.get(name).map_or(&self.path, |entry| &self.files[entry.file].path)
    }

    fn entry(&self, name: &str) -> Result<&Entry, CheckpointError> {
        let missing =
            || CheckpointError::NoTensor { path: self.path.clone(), name: name.to_owned() };
        self.index.get(name).ok_or_else(missing)
    }
}

/// Says which other weights a folder holds, if any.
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
