//! Products of packed factors, in blocks of 32 x 32 results. bf16 is multiplied with AMX, or at a tenth of that speed
//! with the bf16 instructions of AVX-512; other processors convert it to fp32. fp32 is multiplied with the vectors of
//! any processor, or with AMX, where each number is the sum of three bf16 numbers: six products instead of one, which
//! keep the precision of fp32.
//!
//! With AMX an infinite fp32 number gives NaN. Where bf16 is multiplied, numbers below 1e-38 count as zero.
#![cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, reason = "AVX-512 and AMX alone use some parts")
)]

#[cfg(target_arch = "x86_64")]
mod avx512;
mod block;
mod detect;
mod lanes;
mod pack;
mod pieces;
mod product;
mod results;
mod threads;
mod trained;
mod weight;

#[cfg(target_arch = "x86_64")]
pub use avx512::multiply_in_registers;
pub(super) use detect::unit;
pub use detect::{Unit, forbid_unit};
pub(super) use product::{linear, mlp};
pub(super) use trained::{trained_linear, trained_mlp};
pub(super) use weight::PackedWeight;

/// With fewer rows than this, packing a weight takes longer than it saves.
pub(super) const LEAST_ROWS: usize = 32;
