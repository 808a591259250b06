//! Products of tiles, which lie as the processor reads them: in bf16 by AMX, or by AVX-512 in a tenth of its speed; in fp32
//! by AVX-512 at half that, or by AMX, with each number made of three in bf16: six products for one, which keeps fp32's
//! precision.
//!
//! With AMX an infinite number in fp32 gives NaN. Where bf16 is multiplied, numbers below 1e-38 count as zero.

mod amx;
mod block;
mod bound;
mod curve;
mod detect;
mod normal;
mod pack;
mod pieces;
mod product;
mod threads;
mod trained;
mod vectors;
mod weight;

pub use bound::multiply_in_registers;
pub(super) use detect::unit;
pub use detect::{Unit, forbid_unit};
pub(super) use product::{linear, mlp};
pub(super) use trained::{trained_linear, trained_mlp};
pub(super) use weight::PackedWeight;

/// Below it weights are packed for too few products.
pub(super) const LEAST_ROWS: i64 = 32;
