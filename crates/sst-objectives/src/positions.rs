//! Positions of tokens and their labels, for losses on some of the tokens.
//!
//! Shapes: n positions.

use sst_core::{Result, kernel_rows};
use tch::{Device, Kind, Tensor};

/// The label of a position that the loss ignores.
pub(crate) const UNSCORED: i64 = -100;

/// Pads positions and labels on the CPU, so that their number becomes [`kernel_rows`]. The padding repeats the last
/// position, with a label that the loss ignores.
pub(crate) fn pad_positions(positions_n: &Tensor, labels_n: &Tensor) -> Result<(Tensor, Tensor)> {
    let count = labels_n.numel();
    let padding = (kernel_rows(count) - count) as i64;
    if count == 0 || padding == 0 || labels_n.device() != Device::Cpu {
        return Ok((positions_n.shallow_clone(), labels_n.shallow_clone()));
    }
    let last = positions_n.f_narrow(0, count as i64 - 1, 1)?.f_expand([padding], false)?;
    let unscored = labels_n.f_new_full([padding], UNSCORED, (Kind::Int64, Device::Cpu))?;
    Ok((Tensor::f_cat(&[positions_n, &last], 0)?, Tensor::f_cat(&[labels_n, &unscored], 0)?))
}
