//! Reads the header of a GGUF file: numbers, texts and metadata. It never reads beyond the end of the file or a
//! limit.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use super::meta::{MetaValue, NumberKind, Numbers};
use crate::error::ModelError;

/// The largest total size of metadata and tensor entries in bytes. A vocabulary of 256,000 tokens takes about 20 MB.
const MAX_HEADER: u64 = 256 << 20;

/// The largest length of the name of a key or a tensor in bytes, as in the specification.
const MAX_NAME: u64 = 65_535;

/// The largest depth of nested lists.
const MAX_DEPTH: usize = 4;

pub(super) struct Reader<'a> {
    input: BufReader<File>,
    path: &'a Path,
    /// The number of bytes read so far, and the length of the file.
    at: u64,
    length: u64,
}

impl<'a> Reader<'a> {
    pub(super) fn new(file: File, length: u64, path: &'a Path) -> Self {
        Self { input: BufReader::new(file), path, at: 0, length }
    }

    /// The current offset in the file.
    pub(super) fn position(&self) -> u64 {
        self.at
    }

    pub(super) fn bytes<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        self.claim(N as u64)?;
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, ModelError> {
        Ok(u32::from_le_bytes(self.bytes()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, ModelError> {
        Ok(u64::from_le_bytes(self.bytes()?))
    }

    /// Reads the name of a key or a tensor.
    pub(super) fn name(&mut self) -> Result<String, ModelError> {
        let count = self.u64()?;
        if count > MAX_NAME {
            return Err(self.bad(format!("has a name of {count} bytes; {MAX_NAME} are the limit")));
        }
        self.text_of(count)
    }

    pub(super) fn value(&mut self, kind: u32) -> Result<MetaValue, ModelError> {
        self.value_at(kind, 0)
    }

    fn value_at(&mut self, kind: u32, depth: usize) -> Result<MetaValue, ModelError> {
        if let Some(kind) = NumberKind::of(kind) {
            let numbers = self.numbers(kind, 1)?;
            return numbers.first().ok_or_else(|| self.cut_off());
        }
        match kind {
            8 => {
                let count = self.u64()?;
                Ok(MetaValue::Text(self.text_of(count)?))
            }
            9 if depth < MAX_DEPTH => {
                let (kind, count) = (self.u32()?, self.u64()?);
                if let Some(kind) = NumberKind::of(kind) {
                    return Ok(MetaValue::Numbers(self.numbers(kind, count)?));
                }
                // An element starts with its length, which takes at least eight bytes.
                self.check(count.checked_mul(8))?;
                match kind {
                    8 => {
                        let texts = (0..count).map(|_| {
                            let count = self.u64()?;
                            self.text_of(count)
                        });
                        Ok(MetaValue::Texts(texts.collect::<Result<_, _>>()?))
                    }
                    kind => {
                        let values = (0..count).map(|_| self.value_at(kind, depth + 1));
                        Ok(MetaValue::Lists(values.collect::<Result<_, _>>()?))
                    }
                }
            }
            other => {
                Err(self.bad(format!("holds metadata of type {other}, which GGUF does not have")))
            }
        }
    }

    fn numbers(&mut self, kind: NumberKind, count: u64) -> Result<Numbers, ModelError> {
        let size = count.checked_mul(kind.bytes());
        self.check(size)?;
        let mut bytes = vec![0; size.unwrap_or(0) as usize];
        self.claim(bytes.len() as u64)?;
        self.fill(&mut bytes)?;
        Ok(Numbers { kind, bytes })
    }

    fn text_of(&mut self, count: u64) -> Result<String, ModelError> {
        self.check(Some(count))?;
        let mut bytes = vec![0; count as usize];
        self.claim(count)?;
        self.fill(&mut bytes)?;
        String::from_utf8(bytes).map_err(|_| self.bad("holds text that is not UTF-8".to_owned()))
    }

    /// Checks that `count` more bytes exist and are within the limit, before memory is allocated for them.
    fn check(&self, count: Option<u64>) -> Result<(), ModelError> {
        match count.filter(|count| *count <= self.length - self.at) {
            None => Err(self.cut_off()),
            Some(count) if self.at + count > MAX_HEADER => {
                let limit = MAX_HEADER >> 20;
                Err(self
                    .bad(format!("has a header of more than {limit} MiB, which sst does not read")))
            }
            Some(_) => Ok(()),
        }
    }

    /// Checks and counts bytes that will be read next.
    fn claim(&mut self, count: u64) -> Result<(), ModelError> {
        self.check(Some(count))?;
        self.at += count;
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Result<(), ModelError> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => self.cut_off(),
            _ => ModelError::Io { path: self.path.to_owned(), source: error },
        })
    }

    fn cut_off(&self) -> ModelError {
        self.bad("is cut off in its header".to_owned())
    }

    pub(super) fn bad(&self, message: String) -> ModelError {
        ModelError::BadFile { path: self.path.to_owned(), message }
    }
}
