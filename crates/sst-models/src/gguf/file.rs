//! The GGUF container: a header, metadata, and the positions of the tensors.
//!
//! The layout is that of <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3,
//! little-endian.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use sst_data::read::require_file;

use super::blocks::{Quantised, type_name};
use super::meta::MetaValue;
use super::reader::Reader;
use crate::error::ModelError;

/// An open GGUF file. Tensors are read on request. The file records which keys and tensors were requested.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    metadata: BTreeMap<String, MetaValue>,
    tensors: BTreeMap<String, Place>,
    /// The offset of the first tensor.
    data: u64,
    /// The keys and the tensors that were requested.
    asked: RefCell<[BTreeSet<String>; 2]>,
}

#[derive(Debug)]
struct Place {
    /// The dimensions in row-major order, as in PyTorch; GGUF stores them reversed.
    shape: Vec<i64>,
    quantised: Quantised,
    offset: u64,
    /// The number of bytes.
    bytes: u64,
}

/// The largest number of elements of a tensor.
const MAX_NUMBERS: u64 = 1 << 32;

impl Gguf {
    /// Reads the header and the metadata.
    ///
    /// # Errors
    /// If the file cannot be read, is not a GGUF file, is truncated or inconsistent, or holds a tensor of a type that
    /// sst does not read.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        require_file(path).map_err(io)?;
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut gguf = Self {
            path: path.to_owned(),
            metadata: BTreeMap::new(),
            tensors: BTreeMap::new(),
            data: 0,
            asked: RefCell::default(),
        };
        let mut reader = Reader::new(file, length, path);
        gguf.check_magic(reader.bytes()?)?;
        gguf.check_version(reader.u32()?)?;
        let (tensors, pairs) = (reader.u64()?, reader.u64()?);
        // Every entry takes several bytes, so that a count cannot exceed the length of the file.
        if let Some(count) = [tensors, pairs].into_iter().find(|count| *count > length) {
            return Err(gguf.bad(format!("has an impossible count: {count}")));
        }
        for _ in 0..pairs {
            let (key, kind) = (reader.name()?, reader.u32()?);
            let value = reader.value(kind)?;
            if gguf.metadata.contains_key(&key) {
                return Err(gguf.bad(format!("says `{key}` twice")));
            }
            gguf.metadata.insert(key, value);
        }
        let alignment = gguf.alignment()?;
        for _ in 0..tensors {
            let name = reader.name()?;
            let place = gguf.place(&name, &mut reader, alignment)?;
            if gguf.tensors.insert(name.clone(), place).is_some() {
                return Err(gguf.bad(format!("has two tensors `{name}`")));
            }
        }
        gguf.data = reader.position().next_multiple_of(alignment);
        gguf.check_places(length)?;
        Ok(gguf)
    }

    fn check_magic(&self, magic: [u8; 4]) -> Result<(), ModelError> {
        match &magic {
            b"GGUF" => Ok(()),
            b"lmgg" | b"fmgg" | b"tjgg" | b"algg" => {
                let message =
                    "is of a format from before GGUF: convert it with a llama.cpp of August 2023";
                Err(self.bad(message.to_owned()))
            }
            _ => {
                Err(self.bad("is not a GGUF file: it does not begin with the letters GGUF".into()))
            }
        }
    }

    fn check_version(&self, version: u32) -> Result<(), ModelError> {
        match version {
            2 | 3 => Ok(()),
            version if [1, 2, 3].contains(&version.swap_bytes()) => Err(self.bad(
                "is big-endian, and sst reads little-endian files: turn it with `gguf-convert-endian FILE little` \
                 of the Python package gguf"
                    .to_owned(),
            )),
            version => Err(self.bad(format!("is GGUF version {version}; sst reads 2 and 3"))),
        }
    }

    fn alignment(&self) -> Result<u64, ModelError> {
        match self.find("general.alignment") {
            Some(MetaValue::Whole(n))
                if *n > 0 && *n < 1 << 20 && (*n as u64).is_power_of_two() =>
            {
                Ok(*n as u64)
            }
            None => Ok(32),
            Some(other) => {
                let message = "a power of two below a million is needed";
                Err(self.bad(format!("general.alignment is {}; {message}", other.describe())))
            }
        }
    }

    /// Reads the rest of a tensor's entry, after its name.
    fn place(
        &self,
        name: &str,
        reader: &mut Reader<'_>,
        alignment: u64,
    ) -> Result<Place, ModelError> {
        let dims = reader.u32()?;
        if !(1..=4).contains(&dims) {
            return Err(self.bad(format!("tensor `{name}` has {dims} dimensions; 1 to 4 are read")));
        }
        let mut sizes = (0..dims).map(|_| reader.u64()).collect::<Result<Vec<_>, _>>()?;
        let (kind, offset) = (reader.u32()?, reader.u64()?);
        let Some(quantised) = Quantised::of(kind) else {
            return Err(self.bad(format!(
                "tensor `{name}` is of GGML type {kind} ({}); sst reads {}",
                type_name(kind),
                Quantised::NAMES
            )));
        };
        let count = sizes.iter().try_fold(1_u64, |count, size| {
            count.checked_mul(*size).filter(|count| (1..MAX_NUMBERS).contains(count))
        });
        // A row, along the fastest dimension, consists of whole blocks.
        let whole = sizes[0].is_multiple_of(quantised.block() as u64);
        sizes.reverse();
        let Some(count) = count.filter(|_| whole) else {
            let message = format!("tensor `{name}` has an impossible shape: {sizes:?}");
            return Err(self.bad(message));
        };
        if !offset.is_multiple_of(alignment) {
            let message = "which is not a multiple of the file's alignment";
            return Err(self.bad(format!("tensor `{name}` begins at {offset}, {message}")));
        }
        let shape = sizes.into_iter().map(|size| size as i64).collect();
        Ok(Place { shape, quantised, offset, bytes: quantised.bytes(count) })
    }

    /// Refuses tensors that extend beyond the end of the file, and tensors that overlap.
    fn check_places(&self, length: u64) -> Result<(), ModelError> {
        let mut places: Vec<(&String, &Place)> = self.tensors.iter().collect();
        places.sort_by_key(|(_, place)| place.offset);
        let mut end = 0;
        for (name, place) in places {
            if place.offset < end {
                return Err(self.bad(format!("tensor `{name}` lies over the one before it")));
            }
            end = place.offset.saturating_add(place.bytes);
            if self.data.saturating_add(end) > length {
                return Err(self.bad(format!("is cut off: tensor `{name}` is not all there")));
            }
        }
        Ok(())
    }

    /// The names of the tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Whether the file has a tensor of this name.
    pub fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The shape of a tensor, in row-major order.
    ///
    /// # Errors
    /// If there is no tensor of this name.
    pub fn shape(&self, name: &str) -> Result<&[i64], ModelError> {
        Ok(&self.look_up(name)?.shape)
    }

    /// The dequantised values of a tensor and its shape, in row-major order.
    ///
    /// # Errors
    /// If there is no tensor of this name, one of its values is NaN or infinite, or the file cannot be read.
    pub fn tensor(&self, name: &str) -> Result<(Vec<f32>, Vec<i64>), ModelError> {
        let place = self.look_up(name)?;
        self.asked.borrow_mut()[1].insert(name.to_owned());
        let io = |source| ModelError::Io { path: self.path.clone(), source };
        let mut bytes = vec![0; place.bytes as usize];
        let mut file = File::open(&self.path).map_err(io)?;
        file.seek(SeekFrom::Start(self.data + place.offset)).map_err(io)?;
        file.read_exact(&mut bytes).map_err(io)?;
        let numbers = place.quantised.numbers(&bytes);
        if let Some(place) = numbers.iter().position(|x| !x.is_finite()) {
            let message = format!("tensor `{name}` holds {} at place {place}", numbers[place]);
            return Err(self.bad(format!("{message}: the file is damaged")));
        }
        Ok((numbers, place.shape.clone()))
    }

    fn look_up(&self, name: &str) -> Result<&Place, ModelError> {
        self.tensors.get(name).ok_or_else(|| self.bad(format!("has no tensor `{name}`")))
    }

    /// A value of the metadata; `None` if the key is missing.
    pub fn find(&self, key: &str) -> Option<&MetaValue> {
        self.asked.borrow_mut()[0].insert(key.to_owned());
        self.metadata.get(key)
    }

    /// A text of the metadata; `None` if the key is missing.
    ///
    /// # Errors
    /// If the value is not a text.
    pub fn text(&self, key: &str) -> Result<Option<&str>, ModelError> {
        match self.find(key) {
            None => Ok(None),
            Some(MetaValue::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.wrong(key, "a text", other)),
        }
    }

    /// An integer of the metadata; `None` if the key is missing.
    ///
    /// # Errors
    /// If the value is not an integer, or does not fit 64 bits.
    pub fn whole(&self, key: &str) -> Result<Option<i64>, ModelError> {
        match self.find(key) {
            None => Ok(None),
            Some(MetaValue::Whole(n)) if i64::try_from(*n).is_ok() => Ok(Some(*n as i64)),
            Some(other) => Err(self.wrong(key, "a whole number", other)),
        }
    }

    /// A number of the metadata; `None` if the key is missing.
    ///
    /// # Errors
    /// If the value is not a number, or is NaN or infinite.
    pub fn real(&self, key: &str) -> Result<Option<f64>, ModelError> {
        match self.find(key) {
            None => Ok(None),
            Some(MetaValue::Real(x)) if x.is_finite() => Ok(Some(short(*x))),
            Some(MetaValue::Whole(n)) => Ok(Some(*n as f64)),
            Some(other) => Err(self.wrong(key, "a finite number", other)),
        }
    }

    /// A boolean of the metadata; `None` if the key is missing.
    ///
    /// # Errors
    /// If the value is not a boolean.
    pub fn flag(&self, key: &str) -> Result<Option<bool>, ModelError> {
        match self.find(key) {
            None => Ok(None),
            Some(MetaValue::Bool(is_on)) => Ok(Some(*is_on)),
            Some(other) => Err(self.wrong(key, "true or false", other)),
        }
    }

    /// The keys and the tensors that were not requested.
    pub(super) fn left(&self) -> [Vec<&str>; 2] {
        let asked = self.asked.borrow();
        let keys = self.metadata.keys().filter(|key| !asked[0].contains(*key));
        let tensors = self.tensors.keys().filter(|name| !asked[1].contains(*name));
        [keys.map(String::as_str).collect(), tensors.map(String::as_str).collect()]
    }

    /// An error about this file.
    pub(super) fn bad(&self, message: String) -> ModelError {
        ModelError::BadFile { path: self.path.clone(), message }
    }

    /// Prints a warning about this file.
    pub(super) fn warn(&self, message: &str) {
        tracing::warn!("{} {message}", self.path.display());
    }

    /// An error about a key whose value has the wrong type.
    pub(super) fn wrong(&self, key: &str, needed: &str, found: &MetaValue) -> ModelError {
        self.bad(format!("{key} is {}; {needed} is needed", found.describe()))
    }
}

/// An fp32 number as the fp64 number with the same shortest decimal form: 1e-5 and not 0.000009999999747378752.
fn short(x: f64) -> f64 {
    match f64::from(x as f32) == x {
        true => (x as f32).to_string().parse().unwrap_or(x),
        false => x,
    }
}
