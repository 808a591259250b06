//! A batch on the device.

use std::collections::BTreeMap;

use sst_data::{ArrayData, HostBatch, Key, Normalizer};
use tch::{Device, Tensor};

use crate::error::{Error, Result};
use crate::ragged::RaggedRows;

/// The arrays of a [`HostBatch`] as tensors on one device.
#[derive(Debug)]
pub struct Batch {
    arrays: BTreeMap<&'static str, Tensor>,
    /// The layout of ragged rows in the arrays of tokens; `None` where rows are padded to `[b, l]`.
    pub rows: Option<RaggedRows>,
    /// The number that the summed loss is divided by.
    pub normalizer: Normalizer,
    /// The origin of each row, for errors.
    pub keys: Vec<Key>,
}

impl Batch {
    /// Copies a host batch to `device`. Each array keeps its type: 8-bit pixels arrive as `Kind::Uint8`.
    ///
    /// # Errors
    /// If libtorch cannot allocate or copy.
    pub fn from_host(host: &HostBatch, device: Device) -> Result<Self> {
        let mut arrays = BTreeMap::new();
        for (name, array) in host.arrays() {
            let shape: Vec<i64> = array.shape().iter().map(|d| *d as i64).collect();
            let flat = match array.data() {
                ArrayData::I64(values) => Tensor::f_from_slice(values)?,
                ArrayData::U8(values) => Tensor::f_from_slice(values)?,
                ArrayData::F32(values) => Tensor::f_from_slice(values)?,
                ArrayData::Bool(values) => Tensor::f_from_slice(values)?,
            };
            arrays.insert(name, flat.f_reshape(&shape)?.f_to_device(device)?);
        }
        let rows = host.row_lengths.as_deref().map(|lengths| RaggedRows::new(lengths, device));
        Ok(Self { arrays, rows, normalizer: host.normalizer, keys: host.keys.clone() })
    }

    /// The tensor `name`.
    ///
    /// # Errors
    /// If the batch has none of that name.
    pub fn get(&self, name: &str) -> Result<&Tensor> {
        self.arrays.get(name).ok_or_else(|| Error::MissingArray(name.to_owned()))
    }

    /// The tensor `name`, or `None` if the batch has no such array.
    pub fn find(&self, name: &str) -> Option<&Tensor> {
        self.arrays.get(name)
    }
}
