//! Writes safetensors files atomically.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, View};
use tch::{Device, Kind, Tensor};

use crate::error::{CheckpointError, Error, Result};

/// A tensor to write: on the CPU and contiguous.
struct Written<'a> {
    bytes: &'a [u8],
    dtype: Dtype,
    shape: Vec<usize>,
}

impl View for Written<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(self.bytes)
    }

    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Writes `tensors` to a temporary file beside `path`, which is synced and then renamed to `path`. The metadata
/// always has `format: pt`, which transformers requires.
///
/// # Errors
/// If the disk is full or the file cannot be written, with its path; an older file of that name is unchanged then.
pub fn write_tensors(
    path: &Path,
    tensors: &BTreeMap<String, Tensor>,
    metadata: &[(&str, String)],
) -> Result<()> {
    let ready: Vec<(&String, Tensor)> = tensors
        .iter()
        .map(|(name, tensor)| Ok((name, tensor.f_to_device(Device::Cpu)?.f_contiguous()?)))
        .collect::<Result<_>>()?;
    let views: Vec<(&String, Written<'_>)> = ready
        .iter()
        .map(|(name, tensor)| Ok((*name, written(path, name, tensor)?)))
        .collect::<Result<_>>()?;
    let mut info = HashMap::from([("format".to_owned(), "pt".to_owned())]);
    info.extend(metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));

    let temporary = path.with_extension("safetensors.tmp");
    // The safetensors crate creates a file that only its owner may read. These are the permissions that the umask
    // allows.
    let permissions =
        std::fs::File::create(&temporary).and_then(|file| Ok(file.metadata()?.permissions()));
    let result = permissions
        .and_then(|permissions| {
            let written = safetensors::serialize_to_file(views, Some(info), &temporary);
            written.map_err(|error| match error {
                SafeTensorError::IoError(source) => source,
                other => std::io::Error::other(other.to_string()),
            })?;
            std::fs::set_permissions(&temporary, permissions)
        })
        .and_then(|()| std::fs::File::open(&temporary)?.sync_all())
        .and_then(|()| std::fs::rename(&temporary, path))
        .and_then(|()| sst_data::atomic::sync_parent(path));
    result.map_err(|source| {
        // The first error is reported; an error while the temporary file is removed would hide it.
        let _ = std::fs::remove_file(&temporary);
        CheckpointError::Io { path: path.to_owned(), source }.into()
    })
}

fn written<'a>(path: &Path, name: &str, tensor: &'a Tensor) -> Result<Written<'a>> {
    let kind = tensor.f_kind()?;
    let Some(dtype) = dtype_of(kind) else {
        return Err(CheckpointError::Dtype {
            path: path.to_owned(),
            name: name.to_owned(),
            dtype: format!("{kind:?}"),
        }
        .into());
    };
    let shape = tensor.size().iter().map(|d| *d as usize).collect();
    Ok(Written { bytes: sst_kernels::bytes_of(tensor)?, dtype, shape })
}

fn dtype_of(kind: Kind) -> Option<Dtype> {
    match kind {
        Kind::Double => Some(Dtype::F64),
        Kind::Float => Some(Dtype::F32),
        Kind::Half => Some(Dtype::F16),
        Kind::BFloat16 => Some(Dtype::BF16),
        Kind::Int64 => Some(Dtype::I64),
        Kind::Int => Some(Dtype::I32),
        Kind::Uint8 => Some(Dtype::U8),
        Kind::Bool => Some(Dtype::BOOL),
        _ => None,
    }
}

/// The name of a type in Hugging Face configs (`float32`, `bfloat16`, ...).
///
/// # Errors
/// If weights cannot have this type.
pub fn kind_name(kind: Kind) -> Result<&'static str> {
    match kind {
        Kind::Float => Ok("float32"),
        Kind::Half => Ok("float16"),
        Kind::BFloat16 => Ok("bfloat16"),
        Kind::Double => Ok("float64"),
        other => Err(Error::Contract(format!("weights of type {other:?} have no dtype name"))),
    }
}
