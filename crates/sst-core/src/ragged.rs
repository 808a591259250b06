//! Rows of unequal length that lie one after the other, without padding.
//!
//! Shapes: t tokens of all rows, b rows, l tokens of the longest, d width.

use std::cell::OnceCell;

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// Where each row of a ragged batch begins and ends.
#[derive(Debug)]
pub struct RaggedRows {
    offsets: Vec<i64>,
    device: Device,
    grid: OnceCell<Grid>,
}

/// The same rows as a padded array.
#[derive(Debug)]
struct Grid {
    /// The place of each token in `b * l`, `[t]`.
    places_t: Tensor,
    /// True where there is a token, `[b, l]`.
    mask_bl: Tensor,
}

impl Clone for RaggedRows {
    fn clone(&self) -> Self {
        let copy =
            Self { offsets: self.offsets.clone(), device: self.device, grid: OnceCell::new() };
        if let Some(Grid { places_t, mask_bl }) = self.grid.get() {
            let (places_t, mask_bl) = (places_t.shallow_clone(), mask_bl.shallow_clone());
            // The cell is new, so nothing is in it.
            let _ = copy.grid.set(Grid { places_t, mask_bl });
        }
        copy
    }
}

impl RaggedRows {
    /// Rows of these lengths, whose tensors are on `device`.
    pub fn new(lengths: &[usize], device: Device) -> Self {
        let mut offsets = Vec::with_capacity(lengths.len() + 1);
        offsets.push(0);
        let mut end = 0;
        for length in lengths {
            end += *length as i64;
            offsets.push(end);
        }
        Self { offsets, device, grid: OnceCell::new() }
    }

    /// The first token of each row, and the end of the last: b + 1 numbers.
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// b.
    pub fn num_rows(&self) -> i64 {
        self.offsets.len() as i64 - 1
    }

    /// t.
    pub fn num_tokens(&self) -> i64 {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// l.
    pub fn longest(&self) -> i64 {
        self.lengths().max().unwrap_or(0)
    }

    fn lengths(&self) -> impl Iterator<Item = i64> {
        self.offsets.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// The place of each token in its row, `[t]`, int64.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn positions(&self) -> Result<Tensor> {
        let places: Vec<i64> = self.lengths().flat_map(|length| 0..length).collect();
        Ok(Tensor::f_from_slice(&places)?.f_to_device(self.device)?)
    }

    /// The first vector of each row, `[b, d]` of `[t, d]`.
    ///
    /// # Errors
    /// If a row is empty, or libtorch fails.
    pub fn first(&self, hidden_td: &Tensor) -> Result<Tensor> {
        if self.lengths().any(|length| length == 0) {
            return Err(Error::Contract("a row without tokens has no first one".into()));
        }
        let starts = &self.offsets[..self.offsets.len() - 1];
        let starts_b = Tensor::f_from_slice(starts)?.f_to_device(self.device)?;
        Ok(hidden_td.f_index_select(0, &starts_b)?)
    }

    /// `[t, d]` as `[b, l, d]`, zero where there is no token.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn pad(&self, x_td: &Tensor) -> Result<Tensor> {
        let (rows, longest, width) = (self.num_rows(), self.longest(), x_td.size()[1]);
        let zeros = Tensor::f_zeros([rows * longest, width], (x_td.f_kind()?, self.device))?;
        let padded = zeros.f_index_copy(0, &self.grid()?.places_t, x_td)?;
        Ok(padded.f_reshape([rows, longest, width])?)
    }

    /// `[b, l, d]` as `[t, d]`.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn unpad(&self, x_bld: &Tensor) -> Result<Tensor> {
        Ok(x_bld.f_flatten(0, 1)?.f_index_select(0, &self.grid()?.places_t)?)
    }

    /// True where there is a token, `[b, l]`.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn mask(&self) -> Result<&Tensor> {
        Ok(&self.grid()?.mask_bl)
    }

    fn grid(&self) -> Result<&Grid> {
        if let Some(grid) = self.grid.get() {
            return Ok(grid);
        }
        let longest = self.longest();
        let rows = (0..).zip(self.lengths());
        let places: Vec<i64> =
            rows.flat_map(|(row, length)| (0..length).map(move |at| row * longest + at)).collect();
        let places_t = Tensor::f_from_slice(&places)?.f_to_device(self.device)?;
        let mut mask = Tensor::f_zeros(self.num_rows() * longest, (Kind::Bool, self.device))?;
        let _ = mask.f_index_fill_(0, &places_t, 1)?;
        let mask_bl = mask.f_reshape([self.num_rows(), longest])?;
        Ok(self.grid.get_or_init(|| Grid { places_t, mask_bl }))
    }
}
