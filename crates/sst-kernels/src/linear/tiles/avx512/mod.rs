//! Products with AMX, and with AVX-512, in bf16 by dot products of pairs.

mod activation;
mod amx;
mod block;
mod bound;
mod normal;
mod pack;
mod vectors;

pub(super) use amx::{AHEAD, Tiles};
pub(super) use block::write_step;
pub use bound::multiply_in_registers;
pub(super) use pack::{panel_step, strip, turned_step};
pub(super) use vectors::multiply;
