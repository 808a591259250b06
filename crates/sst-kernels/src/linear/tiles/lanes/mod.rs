//! Products in fp32 with the vectors of any processor, for processors without bf16 dot products. bf16 factors are
//! converted to fp32 while they are packed, and results are rounded while they are written.
//!
//! A step of a packed strip, or of a panel, has 32 x 32 fp32 numbers. A panel consists of two halves with 16 columns
//! each. A half holds, for each number along k, the numbers of its columns side by side, so that the inner loop reads
//! memory in order. A strip holds, for each row, its 32 numbers along k. A transposed strip holds, for each number
//! along k, those of the 32 rows.

mod activation;
mod multiply;
mod pack;
mod write;

pub(super) use multiply::multiply;
pub(super) use pack::{panel_step, strip, turned_step};
pub(super) use write::{
    Part, write, write_activated, write_derivative, write_derivatives, write_step,
};

use super::block::BLOCK;

/// The number of elements in a step of a strip or a panel.
const STEP_LEN: usize = BLOCK * BLOCK;
/// The number of columns in half a panel, and of their elements in a step.
const HALF: usize = BLOCK / 2;
const HALF_LEN: usize = STEP_LEN / 2;
