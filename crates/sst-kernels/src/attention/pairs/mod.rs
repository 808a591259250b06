//! Attention in bf16 by dot products of pairs (AVX-512 bf16): half the steps of fp32, and nothing is widened.
//!
//! As in `abreast` there is a query in each lane. Scores sum over pairs along the width of a head: of a key they are
//! read where it lies, queries are turned so that a pair of each lies side by side. What mixes the values sums over
//! pairs of keys, and gradients over pairs of queries. Probabilities and the slopes of scores are rounded to bf16 for
//! that, as what comes of them is.
//!
//! Letters: m queries of the row, l keys, e width of a head, a multiple of 32.

mod backward;
mod dropout;
mod forward;
mod lines;
mod mix;
mod scores;
mod tile;

pub(super) use backward::backward;
pub(super) use forward::forward;

use super::problem::AttentionProblem;
use crate::cpu::CpuLevel;
use crate::number::Kind;

/// Pairs in a vector, and queries.
const LANES: usize = 16;
/// Numbers of a vector.
const NUMBERS: usize = 2 * LANES;

/// Whether these are for such a task.
pub(super) fn takes(task: &AttentionProblem) -> bool {
    task.kind == Kind::BFloat16
        && task.width.is_multiple_of(NUMBERS)
        && CpuLevel::current() >= CpuLevel::Avx512Bf16
}
