//! Products of bf16 tiles, which processors with AMX make, some twenty times as fast as AVX-512 multiplies in fp32, and
//! those with AVX-512 bf16, twice as fast. With AMX numbers in fp32 are made of three in bf16 each, six products for
//! one, which keeps fp32's precision.
//!
//! An infinite number in fp32 gives NaN, and numbers below 1e-38 count as zero.

mod block;
mod curve;
mod detect;
mod pack;
mod product;
mod threads;
mod trained;
mod vectors;
mod weight;

pub(super) use detect::unit;
pub use detect::{Unit, forbid_unit};
pub(super) use product::{linear, mlp};
pub(super) use trained::{trained_linear, trained_mlp};
pub(super) use weight::PackedWeight;

/// Below it weights are packed for too few products.
pub(super) const LEAST_ROWS: i64 = 32;
