//! Maps the number of a task to a row and a group of heads.

use super::lines::prefetch;
use super::problem::{AttentionProblem, Source};
use crate::simd::Simd;

/// Rows of up to this many tokens fit the L1 cache together with the next task.
const FEW: usize = 64;

/// The work of one task: a row, and a group of query heads that share their keys and values.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) row: usize,
    /// The index of the first query of the row, and the number of queries.
    pub(super) queries: (usize, usize),
    pub(super) keys: (usize, usize),
    pub(super) group: usize,
}

impl Place {
    /// The number of keys that query `i` of the row attends to.
    pub(super) fn seen(&self, problem: &AttentionProblem, i: usize) -> usize {
        // The queries belong to the last tokens of the row.
        if problem.causal { self.keys.1 - self.queries.1 + i + 1 } else { self.keys.1 }
    }
}

/// The row and the group of task `number`.
pub(super) fn place(problem: &AttentionProblem, number: usize) -> Place {
    let (row, group) = (number / problem.kv_heads, number % problem.kv_heads);
    // SAFETY: `offsets` has one more entry than there are rows, `keys` two a row, and `number` is below rows x
    // groups.
    let (offsets, keys) = unsafe {
        (
            [*problem.offsets.add(row), *problem.offsets.add(row + 1)],
            [*problem.keys.add(2 * row), *problem.keys.add(2 * row + 1)],
        )
    };
    let span = |[start, end]: [i64; 2]| (start as usize, (end - start) as usize);
    Place { row, queries: span(offsets), keys: span(keys), group }
}

/// The query heads that share the keys and values of `group`.
pub(super) fn heads(problem: &AttentionProblem, group: usize) -> std::ops::Range<usize> {
    let size = problem.heads / problem.kv_heads;
    group * size..(group + 1) * size
}

/// Prefetches the tokens of the next group of a short row. It is most likely the next task of this thread, and the
/// hardware prefetcher cannot predict it.
#[inline(always)]
pub(super) unsafe fn prefetch_next<S: Simd>(problem: &AttentionProblem, place: Place) {
    let Place { queries, keys, group, .. } = place;
    if group + 1 == problem.kv_heads || keys.1 > FEW {
        return;
    }
    let (e, heads) = (problem.width, heads(problem, group + 1));
    // SAFETY: an address outside memory does nothing.
    unsafe {
        for from in [problem.key, problem.value] {
            prefetch::<S>(from, problem.kind, keys, (group + 1) * e, e);
        }
        prefetch::<S>(problem.query, problem.kind, queries, heads.start * e, heads.len() * e);
        if !problem.out_grad.data.is_null() {
            let out = Source { data: problem.out.cast_const(), stride: problem.heads * e };
            for from in [problem.out_grad, out] {
                prefetch::<S>(from, problem.kind, queries, heads.start * e, heads.len() * e);
            }
        }
    }
}
