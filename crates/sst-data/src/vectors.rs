//! Writes vectors of texts and pictures to files that other tools read: NumPy, safetensors and JSON lines.

use std::fs::File;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use serde_json::json;

use crate::example::Key;

/// The size of the header of a `.npy` file. NumPy needs a multiple of 64.
const NPY_HEADER: usize = 128;
/// The size of the JSON header of a safetensors file. It is padded with spaces, which the format allows.
const SAFETENSORS_HEADER: usize = 184;

/// The file format of vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VectorFormat {
    /// One array `[n, d]` of fp32 in NumPy's format 1.0.
    Npy,
    /// One tensor `embeddings` `[n, d]` of fp32.
    Safetensors,
    /// One line for each vector: `{"index":..,"text":..,"embedding":[..]}` for a text. A picture has its `key` in place of the
    /// text, and a caption has the key of its picture as well.
    Jsonl,
}

impl VectorFormat {
    /// The format that the extension of `path` names.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "npy" => Some(Self::Npy),
            "safetensors" => Some(Self::Safetensors),
            "jsonl" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// Writes vectors one by one. Their number need not be known in advance.
#[derive(Debug)]
pub struct VectorWriter<'f> {
    file: BufWriter<&'f mut File>,
    format: VectorFormat,
    width: usize,
    count: u64,
}

impl<'f> VectorWriter<'f> {
    /// Starts writing vectors of `width` numbers to the empty `file`.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn new(file: &'f mut File, format: VectorFormat, width: usize) -> io::Result<Self> {
        let mut this = Self { file: BufWriter::new(file), format, width, count: 0 };
        // The header states the number of vectors, so it is written again at the end.
        let header = this.header();
        this.file.write_all(&header)?;
        Ok(this)
    }

    /// Writes the vector of `text`.
    ///
    /// # Errors
    /// Any I/O error, or if the vector does not have `width` numbers.
    pub fn push(&mut self, text: &str, vector: &[f32]) -> io::Result<()> {
        self.push_named(None, Some(text), vector)
    }

    /// Writes the vector of the picture `key`, or of its caption `text`.
    ///
    /// # Errors
    /// As for [`Self::push`].
    pub fn push_of_picture(
        &mut self,
        key: &Key,
        text: Option<&str>,
        vector: &[f32],
    ) -> io::Result<()> {
        self.push_named(Some(key), text, vector)
    }

    fn push_named(
        &mut self,
        key: Option<&Key>,
        text: Option<&str>,
        vector: &[f32],
    ) -> io::Result<()> {
        if vector.len() != self.width {
            let message =
                format!("a vector of {} numbers among those of {}", vector.len(), self.width);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        if self.format == VectorFormat::Jsonl {
            let mut line = json!({"index": self.count});
            if let Some(key) = key {
                line["key"] = json!(key.to_string());
            }
            if let Some(text) = text {
                line["text"] = json!(text);
            }
            line["embedding"] = json!(vector);
            writeln!(self.file, "{line}")?;
        } else {
            for number in vector {
                self.file.write_all(&number.to_le_bytes())?;
            }
        }
        self.count += 1;
        Ok(())
    }

    /// Completes the header, and returns the number of vectors.
    ///
    /// # Errors
    /// Any I/O error.
    pub fn finish(mut self) -> io::Result<u64> {
        let header = self.header();
        self.file.flush()?;
        let file = self.file.get_mut();
        file.seek(SeekFrom::Start(0))?;
        file.write_all(&header)?;
        Ok(self.count)
    }

    fn header(&self) -> Vec<u8> {
        let (count, width) = (self.count, self.width);
        match self.format {
            VectorFormat::Jsonl => Vec::new(),
            VectorFormat::Npy => {
                let length = NPY_HEADER - 10;
                let shape = format!("({count}, {width})");
                let text =
                    format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
                let mut header = b"\x93NUMPY\x01\x00".to_vec();
                header.extend((length as u16).to_le_bytes());
                header.extend(format!("{text:<0$}\n", length - 1).as_bytes());
                header
            }
            VectorFormat::Safetensors => {
                let bytes = count * width as u64 * 4;
                let tensor =
                    json!({"dtype": "F32", "shape": [count, width], "data_offsets": [0, bytes]});
                let text = json!({"embeddings": tensor}).to_string();
                let mut header = (SAFETENSORS_HEADER as u64).to_le_bytes().to_vec();
                header.extend(format!("{text:<SAFETENSORS_HEADER$}").as_bytes());
                header
            }
        }
    }
}
