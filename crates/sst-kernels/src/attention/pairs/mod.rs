//! Attention in bf16 with the dot products of pairs of AVX-512 bf16. It takes half the instructions of fp32, and bf16
//! numbers need not be converted to fp32.
//!
//! As in `query_lanes`, each lane holds one query. The products for the scores sum over pairs along the width of a head:
//! keys are read in place, and queries are transposed, so that a pair of each query is in each lane. The weighted
//! sums of values run over pairs of keys, and the gradients of keys and values over pairs of queries. For this,
//! probabilities and gradients of scores are rounded to bf16, like the results.
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

/// The number of pairs in a vector, and of queries.
const LANES: usize = 16;
/// The number of bf16 numbers in a vector.
const NUMBERS: usize = 2 * LANES;

/// Whether this implementation can run the task.
pub(super) fn takes(problem: &AttentionProblem) -> bool {
    problem.kind == Kind::BFloat16
        && problem.width.is_multiple_of(NUMBERS)
        && CpuLevel::current() >= CpuLevel::Avx512Bf16
}
