//! Reading safetensors: one file, or shards with their index.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::{Path, PathBuf};

use filebuffer::FileBuffer;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, Metadata};
use serde::Deserialize;
use tch::{Kind, Tensor};

use super::error::CheckpointError;
use super::finite::first_not_finite;
use crate::error::Result;

/// The largest header of a safetensors file, and the largest index of shards, in bytes. A model of 70,000
/// tensors takes 8 MB; parsing what is allowed here takes a few hundred MB at most.
pub const MAX_HEADER_BYTES: u64 = 32 << 20;

/// The types that parameters have in files. Those of less than 16 bits come with scales beside them.
const FLOATS: [&str; 4] = ["F64", "F32", "F16", "BF16"];

/// How a pointer of Git LFS begins, which lies where the file was not fetched.
const LFS_POINTER: &[u8] = b"version https://git-lfs";

/// The tensors of a file or a folder: the files are mapped, their headers are parsed once, and a tensor is
/// read when it is asked for.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    files: Vec<Mapped>,
    index: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Mapped {
    path: PathBuf,
    map: FileBuffer,
}

/// What a header says of a tensor.
#[derive(Debug)]
struct Entry {
    /// Its place among the files.
    file: usize,
    dtype: Dtype,
    shape: Vec<i64>,
    /// Its bytes within the file.
    bytes: Range<usize>,
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
        let mut weights = Self { path: path.to_owned(), files: Vec::new(), index: BTreeMap::new() };
        for file in files {
            weights.add(file)?;
        }
        Ok(weights)
    }

    /// Maps a file and takes the names of its header.
    fn add(&mut self, path: &Path) -> Result<(), CheckpointError> {
        let map = FileBuffer::open(path)
            .map_err(|source| CheckpointError::Io { path: path.to_owned(), source })?;
        let (length, header) = header(path, &map)?;
        for name in header.offset_keys() {
            let Some(info) = header.info(&name) else { continue };
            // The header was checked: offsets lie within the file, and shapes give as many bytes.
            let (start, end) = info.data_offsets;
            let entry = Entry {
                file: self.files.len(),
                dtype: info.dtype,
                shape: info.shape.iter().map(|d| *d as i64).collect(),
                bytes: 8 + length + start..8 + length + end,
            };
            if let Some(other) = self.index.insert(name.clone(), entry) {
                let other = self.files.get(other.file).map_or(path, |file| &file.path);
                let other = other.file_name().unwrap_or_default().to_string_lossy();
                let reason = format!("`{name}` stands in two shards, here and in {other}");
                return Err(malformed(path, &reason));
            }
        }
        self.files.push(Mapped { path: path.to_owned(), map });
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
    ///
    /// # Errors
    /// If the header cannot be read.
    pub fn metadata(&self) -> Result<HashMap<String, String>> {
        let Some(file) = self.files.first() else { return Ok(HashMap::new()) };
        let (_, header) = header(&file.path, &file.map)?;
        Ok(header.metadata().clone().unwrap_or_default())
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
    /// If there is none.
    pub fn bytes(&self, name: &str) -> Result<&[u8]> {
        let entry = self.entry(name)?;
        let file = &self.files[entry.file];
        let bytes = file.map.get(entry.bytes.clone());
        Ok(bytes.ok_or_else(|| malformed(&file.path, "it was cut off after it was opened"))?)
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
        let (path, owned) = (self.file_of(name).to_owned(), name.to_owned());
        let dtype = self.dtype(name)?;
        if !FLOATS.contains(&&*dtype) {
            return Err(CheckpointError::NotFloat { path, name: owned, dtype }.into());
        }
        match first_not_finite(self.bytes(name)?, &dtype) {
            None => Ok(()),
            Some(place) => Err(CheckpointError::NotFinite { path, name: owned, place }.into()),
        }
    }

    /// The tensor `name`, on the CPU, in the file's own type.
    ///
    /// # Errors
    /// If there is none, or its type is one that libtorch lacks here.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let entry = self.entry(name)?;
        let Some(kind) = kind_of(entry.dtype) else {
            let path = self.files[entry.file].path.clone();
            let dtype = format!("{:?}", entry.dtype);
            return Err(CheckpointError::Dtype { path, name: name.to_owned(), dtype }.into());
        };
        Ok(Tensor::f_from_data_size(self.bytes(name)?, &entry.shape, kind)?)
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

/// The length of the header of a mapped file, and what it says.
fn header(path: &Path, map: &[u8]) -> Result<(usize, Metadata), CheckpointError> {
    if map.starts_with(LFS_POINTER) {
        let reason = "it is a pointer of Git LFS; fetch the file itself with `git lfs pull`";
        return Err(malformed(path, reason));
    }
    let length = map.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
    if let Some(length) = length.filter(|length| *length > MAX_HEADER_BYTES) {
        let reason = format!("its header would have {length} bytes, more than {MAX_HEADER_BYTES}");
        return Err(malformed(path, &reason));
    }
    SafeTensors::read_metadata(map).map_err(|error| malformed(path, &error.to_string()))
}

/// Says which other weights a folder holds, if any.
fn no_weights(path: &Path) -> CheckpointError {
    let others =
        ["pytorch_model.bin", "pytorch_model.bin.index.json", "tf_model.h5", "flax_model.msgpack"];
    let other = others.into_iter().find(|name| path.join(name).is_file());
    CheckpointError::NoWeights { path: path.to_owned(), other }
}

fn malformed(path: &Path, reason: &str) -> CheckpointError {
    CheckpointError::Malformed { path: path.to_owned(), reason: reason.to_owned() }
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
