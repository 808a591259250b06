//! Products of packed factors, in blocks of 32 x 32 results. Bf16 is multiplied by AMX, or by AVX-512 with its bf16
//! instructions at a tenth of that speed; other processors widen it to fp32. Fp32 is multiplied by vectors of any
//! processor, or by AMX, with each number made of three in bf16: six products for one, which keeps fp32's precision.
//!
//! With AMX an infinite number in fp32 gives NaN. Where bf16 is multiplied, numbers below 1e-38 count as zero.
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

/// Below it weights are packed for too few products.
pub(super) const LEAST_ROWS: usize = 32;
