//! Which row and which heads a task is about.

use super::lines::prefetch;
use super::problem::{AttentionProblem, Source};
use crate::simd::Simd;

/// Tokens of a row that stay in the first cache until the next task.
const FEW: usize = 64;

/// What one task is: a row, and a group of heads that share keys and values.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) row: usize,
    /// The first query of the row, and how many there are.
    pub(super) queries: (usize, usize),
    pub(super) keys: (usize, usize),
    pub(super) group: usize,
}

impl Place {
    /// How many keys query `i` of the row sees.
    pub(super) fn seen(&self, task: &AttentionProblem, i: usize) -> usize {
        // The queries are those of the row's last tokens.
        if task.causal { self.keys.1 - self.queries.1 + i + 1 } else { self.keys.1 }
    }
}

/// The place of task `number`.
pub(super) fn place(task: &AttentionProblem, number: usize) -> Place {
    let (row, group) = (number / task.kv_heads, number % task.kv_heads);
    // SAFETY: `offsets` has one more entry than there are rows, `keys` two a row, and `number` is below rows x
    // groups.
    let (offsets, keys) = unsafe {
        (
            [*task.offsets.add(row), *task.offsets.add(row + 1)],
            [*task.keys.add(2 * row), *task.keys.add(2 * row + 1)],
        )
    };
    let span = |[start, end]: [i64; 2]| (start as usize, (end - start) as usize);
    Place { row, queries: span(offsets), keys: span(keys), group }
}

/// The heads of the queries that share the keys and values of `group`.
pub(super) fn heads(task: &AttentionProblem, group: usize) -> std::ops::Range<usize> {
    let size = task.heads / task.kv_heads;
    group * size..(group + 1) * size
}

/// Brings the next group's numbers near, where the row is short: that is most likely this thread's next task, and no
/// prefetcher of a processor sees what comes.
#[inline(always)]
pub(super) unsafe fn prefetch_next<S: Simd>(task: &AttentionProblem, place: Place) {
    let Place { queries, keys, group, .. } = place;
    if group + 1 == task.kv_heads || keys.1 > FEW {
        return;
    }
    let (e, heads) = (task.width, heads(task, group + 1));
    // SAFETY: an address outside memory does nothing.
    unsafe {
        for from in [task.key, task.value] {
            prefetch::<S>(from, task.kind, keys, (group + 1) * e, e);
        }
        prefetch::<S>(task.query, task.kind, queries, heads.start * e, heads.len() * e);
        if !task.out_grad.data.is_null() {
            let out = Source { data: task.out.cast_const(), stride: task.heads * e };
            for from in [task.out_grad, out] {
                prefetch::<S>(from, task.kind, queries, heads.start * e, heads.len() * e);
            }
        }
    }
}
