//! Rows of unequal length that follow each other without padding.
//!
//! Shapes: t tokens of all rows, b rows, l tokens of the longest, d width.

use std::cell::OnceCell;

use sst_kernels::{row_spans, takes_any_rows};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};

/// The number of rows to pad `n` rows to for a matrix product on the CPU: `n` or up to a sixteenth more. oneDNN
/// compiles a kernel for each shape, which takes as long as the product of a small batch; padded batches have few
/// different shapes. Where the kernels of sst or MKL run, this is `n`, as they take any number of rows.
pub fn kernel_rows(n: usize) -> usize {
    if takes_any_rows(n) { n } else { round_up_rows(n) }
}

fn round_up_rows(n: usize) -> usize {
    // Small numbers go up in steps of 16, which is the number of rows that a kernel takes at once.
    n.next_multiple_of((n.max(1).next_power_of_two() / 32).max(16))
}

/// Pads `[t, d]` with zeros to [`kernel_rows`], where that makes products faster.
///
/// # Errors
/// If libtorch fails.
pub fn pad_to_kernel_rows(x_td: Tensor) -> Result<Tensor> {
    let tokens = x_td.size()[0];
    let more = kernel_rows(tokens as usize) as i64 - tokens;
    if more == 0 || x_td.device() != Device::Cpu {
        return Ok(x_td);
    }
    Ok(x_td.f_constant_pad_nd([0, 0, 0, more])?)
}

/// The layout of a ragged batch: where each row begins and ends.
#[derive(Debug)]
pub struct RaggedRows {
    offsets: Vec<i64>,
    device: Device,
    grid: OnceCell<Grid>,
}

/// The same rows as a padded array.
#[derive(Debug)]
struct Grid {
    /// The index of each token in `b * l`, `[t]`.
    places_t: Tensor,
    /// True at tokens and false at padding, `[b, l]`.
    mask_bl: Tensor,
}

impl Clone for RaggedRows {
    fn clone(&self) -> Self {
        let copy =
            Self { offsets: self.offsets.clone(), device: self.device, grid: OnceCell::new() };
        if let Some(Grid { places_t, mask_bl }) = self.grid.get() {
            let (places_t, mask_bl) = (places_t.shallow_clone(), mask_bl.shallow_clone());
            // The cell is new, so `set` cannot fail.
            let _ = copy.grid.set(Grid { places_t, mask_bl });
        }
        copy
    }
}

impl RaggedRows {
    /// The layout of rows of these lengths, with tensors on `device`.
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

    /// The index of the first token of each row, then t: b + 1 numbers.
    pub fn offsets(&self) -> &[i64] {
        &self.offsets
    }

    /// b, the number of rows.
    pub fn num_rows(&self) -> i64 {
        self.offsets.len() as i64 - 1
    }

    /// t, the number of tokens of all rows.
    pub fn num_tokens(&self) -> i64 {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// l, the length of the longest row.
    pub fn longest(&self) -> i64 {
        self.lengths().max().unwrap_or(0)
    }

    /// The layout of some tokens, given by their sorted `positions` in `[t]`: the index of the first of each row in
    /// `positions`, then their number. `None` if they are not sorted, or one is out of range.
    pub fn offsets_of(&self, positions: &[i64]) -> Option<Vec<i64>> {
        let inside = positions.first().is_none_or(|first| *first >= 0)
            && positions.last().is_none_or(|last| *last < self.num_tokens());
        if !inside || !positions.is_sorted() {
            return None;
        }
        let before = |bound: &i64| positions.partition_point(|at| at < bound) as i64;
        Some(self.offsets.iter().map(before).collect())
    }

    /// The device of its tensors.
    pub fn device(&self) -> Device {
        self.device
    }

    /// The number of tokens of each row.
    pub fn lengths(&self) -> impl Iterator<Item = i64> {
        self.offsets.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// The position of each token in its row, `[t]`, int64.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn positions(&self) -> Result<Tensor> {
        let places: Vec<i64> = self.lengths().flat_map(|length| 0..length).collect();
        Ok(Tensor::f_from_slice(&places)?.f_to_device(self.device)?)
    }

    /// The hidden state `[b, d]` of the first token of each row, from `[t, d]`.
    ///
    /// # Errors
    /// If a row is empty, or libtorch fails.
    pub fn first(&self, hidden_td: &Tensor) -> Result<Tensor> {
        self.one_of_each(hidden_td, |[start, _]| start)
    }

    /// The hidden state `[b, d]` of the last token of each row, from `[t, d]`.
    ///
    /// # Errors
    /// If a row is empty, or libtorch fails.
    pub fn last(&self, hidden_td: &Tensor) -> Result<Tensor> {
        self.one_of_each(hidden_td, |[_, end]| end - 1)
    }

    /// The hidden state `[b, d]` of one token of each row, whose index in `[t]` is `place` of the row's range.
    pub(crate) fn one_of_each(
        &self,
        hidden_td: &Tensor,
        place: impl Fn([i64; 2]) -> i64,
    ) -> Result<Tensor> {
        if self.lengths().any(|length| length == 0) {
            return Err(Error::Contract("a row without tokens has no first and last one".into()));
        }
        let places: Vec<i64> = row_spans(&self.offsets).into_iter().map(place).collect();
        let places_b = Tensor::f_from_slice(&places)?.f_to_device(self.device)?;
        Ok(hidden_td.f_index_select(0, &places_b)?)
    }

    /// Pads `[t, d]` to `[b, l, d]` with zeros. Hidden states after the last row are dropped.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn pad(&self, x_td: &Tensor) -> Result<Tensor> {
        let (rows, longest, width) = (self.num_rows(), self.longest(), x_td.size()[1]);
        let zeros = Tensor::f_zeros([rows * longest, width], (x_td.f_kind()?, self.device))?;
        let x_td = x_td.f_narrow(0, 0, self.num_tokens())?;
        let padded = zeros.f_index_copy(0, &self.grid()?.places_t, &x_td)?;
        Ok(padded.f_reshape([rows, longest, width])?)
    }

    /// Gathers the tokens of `[b, l, d]` into `[t, d]`.
    ///
    /// # Errors
    /// If libtorch fails.
    pub fn unpad(&self, x_bld: &Tensor) -> Result<Tensor> {
        Ok(x_bld.f_flatten(0, 1)?.f_index_select(0, &self.grid()?.places_t)?)
    }

    /// True at tokens and false at padding, `[b, l]`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernel_row_counts_are_few_and_little_larger() {
        assert_eq!(
            [0, 1, 16, 17, 1000, 1024, 1030].map(round_up_rows),
            [0, 16, 16, 32, 1024, 1024, 1088]
        );
        let mut shapes = std::collections::BTreeSet::new();
        for n in 512..4096 {
            let made = round_up_rows(n);
            assert!(made >= n && made - n <= n / 16, "{n} becomes {made}");
            shapes.insert(made);
        }
        assert!(shapes.len() <= 50, "{} shapes", shapes.len());
    }

    #[test]
    fn positions_are_counted_by_row() {
        let rows = RaggedRows::new(&[3, 0, 4], Device::Cpu);
        assert_eq!(rows.offsets_of(&[0, 2, 2, 3, 6]), Some(vec![0, 3, 3, 5]));
        assert_eq!(rows.offsets_of(&[]), Some(vec![0, 0, 0, 0]));
        for outside in [&[2, 1][..], &[0, 7], &[-1, 2]] {
            assert_eq!(rows.offsets_of(outside), None, "{outside:?}");
        }
    }
}
