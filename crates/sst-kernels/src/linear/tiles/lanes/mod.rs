//! Products in fp32 by vectors of any processor, for those without bf16 dot products. Factors in bf16 are widened as they
//! are packed, and results are rounded as they are written.
//!
//! A step of a packed strip, and of a panel, is 32 x 32 fp32 numbers. A panel has two halves, of 16 columns each: a half
//! holds, for each number along k, those of its columns side by side, so that the inner loop reads memory in order. A
//! strip holds, for each row, its 32 numbers along k; one that was turned holds, for each number along k, those of the 32
//! rows.

mod curve;
mod multiply;
mod pack;
mod write;

pub(super) use multiply::multiply;
pub(super) use pack::{panel_step, strip, turned_step};
pub(super) use write::{Part, write, write_curve, write_slope, write_slopes, write_step};

use super::block::BLOCK;

/// Numbers of a step of a strip or a panel.
const STEP_LEN: usize = BLOCK * BLOCK;
/// Columns of half a panel, and their numbers in a step.
const HALF: usize = BLOCK / 2;
const HALF_LEN: usize = STEP_LEN / 2;
