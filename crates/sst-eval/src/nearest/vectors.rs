//! Vectors whose type, shape and lengths are checked.

use sst_kernels::bytes_of;
use tch::{Device, Kind, Tensor};

use super::error::NearestError;

/// The maximum length of a vector: the dot product of two such vectors is far below the maximum of fp32.
const MAX_LENGTH: f32 = 1e18;

/// A matrix of fp32 on the CPU, one vector per row, all of them finite and at most [`MAX_LENGTH`] long.
pub(crate) struct Vectors {
    rows: Tensor,
    count: usize,
    width: usize,
}

impl Vectors {
    /// Checks the matrix `rows` `[count, width]`. Errors call it `what`.
    ///
    /// # Errors
    /// Those of [`nearest`](super::nearest()).
    pub(crate) fn new(what: &'static str, rows: &Tensor) -> Result<Self, NearestError> {
        let kind = rows.f_kind()?;
        let (count, width) = match rows.size()[..] {
            [count, width] if kind == Kind::Float && rows.device() == Device::Cpu => (count, width),
            _ => {
                let found = format!("{kind:?} {:?} on {:?}", rows.size(), rows.device());
                return Err(NearestError::Shape { what, found });
            }
        };
        let rows = rows.f_detach()?.f_contiguous()?;
        let lengths = rows.f_norm_scalaropt_dim(2.0, [1_i64].as_slice(), false)?;
        for (row, length) in bytes_of(&lengths)?.as_chunks::<4>().0.iter().enumerate() {
            let length = f32::from_ne_bytes(*length);
            if length.is_nan() || length >= MAX_LENGTH {
                return Err(NearestError::Length { what, row });
            }
        }
        Ok(Self { rows, count: count as usize, width: width as usize })
    }

    /// The number of vectors.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Checks that `corpus` has the width of these queries.
    ///
    /// # Errors
    /// If the widths differ.
    pub(crate) fn check_width(&self, corpus: &Self) -> Result<(), NearestError> {
        if self.width != corpus.width {
            return Err(NearestError::Width { queries: self.width, corpus: corpus.width });
        }
        Ok(())
    }

    /// The rows `first..first + count`, `[count, width]`.
    pub(super) fn rows(&self, first: usize, count: usize) -> Result<Tensor, NearestError> {
        Ok(self.rows.f_narrow(0, first as i64, count as i64)?)
    }

    /// The dot product of the row `row` with the row `other_row` of `other`, summed in fp64.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(crate) fn dot(
        &self,
        row: usize,
        other: &Self,
        other_row: usize,
    ) -> Result<f32, NearestError> {
        let products = self.numbers(row)?.zip(other.numbers(other_row)?).map(|(a, b)| a * b);
        Ok(products.sum::<f64>() as f32)
    }

    fn numbers(&self, row: usize) -> Result<impl Iterator<Item = f64>, NearestError> {
        let (numbers, _) = bytes_of(&self.rows)?.as_chunks::<4>();
        let row = &numbers[row * self.width..(row + 1) * self.width];
        Ok(row.iter().map(|number| f64::from(f32::from_ne_bytes(*number))))
    }
}
