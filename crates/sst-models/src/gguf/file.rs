//! The container: a header, metadata by key, and where each tensor lies.
//!
//! Layout after <https://github.com/ggml-org/ggml/blob/master/docs/gguf.md>, versions 2 and 3, little-endian.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::blocks::Quantised;
use crate::error::ModelError;

/// A file that is read as it is needed: tensors stay on the disk.
#[derive(Debug)]
pub struct Gguf {
    path: PathBuf,
    metadata: BTreeMap<String, MetaValue>,
    tensors: BTreeMap<String, Place>,
    /// Where the tensors begin.
    data: u64,
}

/// A value of the metadata.
#[derive(Debug, Clone, PartialEq)]
pub enum MetaValue {
    /// Any whole number.
    Whole(i128),
    /// Any other number.
    Real(f64),
    /// True or false.
    Bool(bool),
    /// Text.
    Text(String),
    /// Several of one kind.
    List(Vec<MetaValue>),
}

#[derive(Debug)]
struct Place {
    /// The slowest dimension first.
    shape: Vec<i64>,
    kind: u32,
    offset: u64,
}

/// Nothing in a file is longer, unless it is broken.
const MOST: u64 = 1 << 32;

impl Gguf {
    /// Reads the header and the metadata.
    ///
    /// # Errors
    /// If the file cannot be read, is no GGUF or is cut off.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        let io = |source| ModelError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        let mut gguf = Self {
            path: path.to_owned(),
            metadata: BTreeMap::new(),
            tensors: BTreeMap::new(),
            data: 0,
        };
        let mut reader = Reader { input: BufReader::new(file), path };
        if &reader.bytes::<4>()? != b"GGUF" {
            return Err(gguf.bad("is no GGUF file: it does not begin with those letters".into()));
        }
        let version = reader.u32()?;
        if ![2, 3].contains(&version) {
            return Err(gguf.bad(format!("is GGUF version {version}; sst reads 2 and 3")));
        }
        let (tensors, pairs) = (reader.count()?, reader.count()?);
        for _ in 0..pairs {
            let key = reader.text()?;
            let kind = reader.u32()?;
            let value = reader.value(kind, 0)?;
            gguf.metadata.insert(key, value);
        }
        for _ in 0..tensors {
            let name = reader.text()?;
            let dims = reader.u32()?;
            if dims > 4 {
                return Err(gguf.bad(format!("tensor `{name}` has {dims} dimensions")));
            }
            let mut shape = (0..dims).map(|_| reader.count()).collect::<Result<Vec<_>, _>>()?;
            shape.reverse();
            let shape = shape.into_iter().map(|size| size as i64).collect();
            let (kind, offset) = (reader.u32()?, reader.u64()?);
            gguf.tensors.insert(name, Place { shape, kind, offset });
        }
        let alignment = match gguf.metadata.get("general.alignment") {
            Some(MetaValue::Whole(n)) if *n > 0 && *n < 1 << 20 => *n as u64,
            None => 32,
            Some(other) => {
                return Err(gguf.bad(format!("general.alignment is {other:?}")));
            }
        };
        gguf.data = reader.input.stream_position().map_err(io)?.next_multiple_of(alignment);
        for (name, place) in &gguf.tensors {
            let bytes = gguf.quantised(name, place)?.bytes(gguf.count(name, place)?);
            if gguf.data.saturating_add(place.offset).saturating_add(bytes) > length {
                return Err(gguf.bad(format!("is cut off: tensor `{name}` is not all there")));
            }
        }
        Ok(gguf)
    }

    /// The names of the tensors.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// The numbers of a tensor and its shape, the slowest dimension first.
    ///
    /// # Errors
    /// If there is none of that name, or the file cannot be read.
    pub fn tensor(&self, name: &str) -> Result<(Vec<f32>, Vec<i64>), ModelError> {
        let Some(place) = self.tensors.get(name) else {
            return Err(self.bad(format!("has no tensor `{name}`")));
        };
        let io = |source| ModelError::Io { path: self.path.clone(), source };
        let (quantised, count) = (self.quantised(name, place)?, self.count(name, place)?);
        let mut bytes = vec![0; quantised.bytes(count) as usize];
        let mut file = File::open(&self.path).map_err(io)?;
        file.seek(SeekFrom::Start(self.data + place.offset)).map_err(io)?;
        file.read_exact(&mut bytes).map_err(io)?;
        Ok((quantised.numbers(&bytes), place.shape.clone()))
    }

    /// A value of the metadata.
    pub fn find(&self, key: &str) -> Option<&MetaValue> {
        self.metadata.get(key)
    }

    /// A text of the metadata.
    ///
    /// # Errors
    /// If it is missing, or no text.
    pub fn text(&self, key: &str) -> Result<&str, ModelError> {
        match self.find(key) {
            Some(MetaValue::Text(text)) => Ok(text),
            other => Err(self.bad(format!("has no text `{key}`, but {other:?}"))),
        }
    }

    /// A whole number of the metadata.
    ///
    /// # Errors
    /// If it is missing, or no whole number.
    pub fn whole(&self, key: &str) -> Result<i64, ModelError> {
        match self.find(key) {
            Some(MetaValue::Whole(n)) if i64::try_from(*n).is_ok() => Ok(*n as i64),
            other => Err(self.bad(format!("has no whole number `{key}`, but {other:?}"))),
        }
    }

    /// An error about this file.
    pub(super) fn bad(&self, message: String) -> ModelError {
        ModelError::BadFile { path: self.path.clone(), message }
    }

    fn quantised(&self, name: &str, place: &Place) -> Result<Quantised, ModelError> {
        Quantised::of(place.kind).ok_or_else(|| {
            self.bad(format!(
                "tensor `{name}` is of GGML type {}; sst reads F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1 \
                 and Q8_0",
                place.kind
            ))
        })
    }

    /// The numbers of a tensor: whole blocks of them.
    fn count(&self, name: &str, place: &Place) -> Result<u64, ModelError> {
        let count = place.shape.iter().try_fold(1_u64, |count, size| {
            count.checked_mul(*size as u64).filter(|count| *count < MOST)
        });
        let block = self.quantised(name, place)?.block() as u64;
        match count {
            Some(count) if count % block == 0 => Ok(count),
            _ => {
                Err(self
                    .bad(format!("tensor `{name}` has a shape that cannot be: {:?}", place.shape)))
            }
        }
    }
}

struct Reader<'a> {
    input: BufReader<File>,
    path: &'a Path,
}

impl Reader<'_> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ModelError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.bad("is cut off in its header".to_owned()),
            _ => ModelError::Io { path: self.path.to_owned(), source: error },
        })
    }

    fn bad(&self, message: String) -> ModelError {
        ModelError::BadFile { path: self.path.to_owned(), message }
    }

    fn u32(&mut self) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    fn u64(&mut self) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// A number of things to follow.
    fn count(&mut self) -> Result<u64, ModelError> {
        match self.u64()? {
            count if count < MOST => Ok(count),
            count => Err(self.bad(format!("has a count that cannot be: {count}"))),
        }
    }

    fn text(&mut self) -> Result<String, ModelError> {
        let count = self.count()?;
        let mut bytes = Vec::new();
        // Read as it comes, so that a broken length takes no memory.
        let read = (&mut self.input).take(count).read_to_end(&mut bytes);
        let read = read.map_err(|source| ModelError::Io { path: self.path.to_owned(), source })?;
        if (read as u64) < count {
            return Err(self.bad("is cut off in its header".to_owned()));
        }
        String::from_utf8(bytes).map_err(|_| self.bad("holds text that is not UTF-8".to_owned()))
    }

    fn value(&mut self, kind: u32, depth: usize) -> Result<MetaValue, ModelError> {
        let whole = |n: i128| Ok(MetaValue::Whole(n));
        match kind {
            0 => whole(self.bytes::<1>()?[0].into()),
            1 => whole(i8::from_le_bytes(self.bytes()?).into()),
            2 => whole(u16::from_le_bytes(self.bytes()?).into()),
            3 => whole(i16::from_le_bytes(self.bytes()?).into()),
            4 => whole(self.u32()?.into()),
            5 => whole(i32::from_le_bytes(self.bytes()?).into()),
            6 => Ok(MetaValue::Real(f32::from_le_bytes(self.bytes()?).into())),
            7 => Ok(MetaValue::Bool(self.bytes::<1>()?[0] != 0)),
            8 => Ok(MetaValue::Text(self.text()?)),
            9 if depth < 4 => {
                let (kind, count) = (self.u32()?, self.count()?);
                let values = (0..count).map(|_| self.value(kind, depth + 1));
                Ok(MetaValue::List(values.collect::<Result<_, _>>()?))
            }
            10 => whole(self.u64()?.into()),
            11 => whole(i64::from_le_bytes(self.bytes()?).into()),
            12 => Ok(MetaValue::Real(f64::from_le_bytes(self.bytes()?))),
            other => {
                Err(self.bad(format!("holds metadata of type {other}, which GGUF does not have")))
            }
        }
    }
}
