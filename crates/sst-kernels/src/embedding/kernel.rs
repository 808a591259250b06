//! Sums of embedding rows and their gradients, in fp32, in buffers that stay in the cache.

use std::ffi::c_void;
use std::ops::Range;

use crate::cpu::CpuLevel;
use crate::error::Result;
use crate::number::{Body, Kind, load_line, store_line};
use crate::parallel::parallel;

/// The number of tokens that a thread takes at a time.
const TOKENS: usize = 64;
/// The number of columns that a thread takes at a time, for all tokens and tables. So each number of a gradient is
/// written by one thread, even if two tables are the same tensor.
const COLUMNS: usize = 64;

/// The struct `SstTable` of `cpp/embedding.cc`, with the same fields.
#[repr(C)]
pub(super) struct Table {
    /// The table `[rows, d]`; used in the forward pass.
    weight: *const c_void,
    /// The gradient `[rows, d]`; used in the backward pass.
    grad: *mut c_void,
    /// The row numbers `[t]`.
    ids: *const i64,
    /// The row that gets no gradient.
    padding: i64,
}

/// The struct `SstEmbedding` of `cpp/embedding.cc`, with the same fields. The tables and both `[t, d]` are contiguous
/// and have one type.
#[repr(C)]
pub(crate) struct EmbeddingProblem {
    tables: *const Table,
    count: usize,
    y: *mut c_void,
    y_grad: *const c_void,
    tokens: usize,
    width: usize,
    kind: Kind,
}

// SAFETY: threads read all of it, and write disjoint rows or columns.
unsafe impl Sync for EmbeddingProblem {}

impl EmbeddingProblem {
    fn tables(&self) -> &[Table] {
        // SAFETY: the bridge passes `count` tables, which outlive the call.
        unsafe { std::slice::from_raw_parts(self.tables, self.count) }
    }
}

impl Table {
    /// # Safety
    /// `token` must be smaller than the number of tokens.
    unsafe fn id(&self, token: usize) -> usize {
        // SAFETY: as promised; ids were checked to be rows.
        unsafe { *self.ids.add(token) as usize }
    }

    /// The row and the index of each token that has a gradient, sorted by row and then by token.
    ///
    /// # Safety
    /// There must be `tokens` ids.
    unsafe fn sorted(&self, tokens: usize) -> Vec<(usize, usize)> {
        // SAFETY: as promised.
        let row_and_token = |token: usize| (unsafe { self.id(token) }, token);
        let mut sorted: Vec<_> = (0..tokens).map(row_and_token).collect();
        sorted.retain(|(id, _)| *id as i64 != self.padding);
        sorted.sort_unstable();
        sorted
    }
}

/// Writes `y`.
///
/// # Safety
/// The pointers of `problem` must be valid for its sizes.
pub(super) unsafe fn forward(problem: &EmbeddingProblem) -> Result<()> {
    let level = CpuLevel::current();
    parallel(c"sst::embedding_rows", problem.tokens.div_ceil(TOKENS), |block| {
        let tokens = block * TOKENS..problem.tokens.min((block + 1) * TOKENS);
        level.run(Forward { problem, tokens });
    })
}

struct Forward<'a> {
    problem: &'a EmbeddingProblem,
    tokens: Range<usize>,
}

impl Body for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { problem, tokens } = self;
        let (d, kind) = (problem.width, problem.kind);
        let (mut sum, mut row) = (vec![0.0; d], vec![0.0; d]);
        for token in tokens {
            for (i, table) in problem.tables().iter().enumerate() {
                let into = if i == 0 { &mut sum } else { &mut row };
                // SAFETY: ids were checked to be rows.
                unsafe { load_line(table.weight, kind, table.id(token) * d, into) };
                if i > 0 {
                    add(&mut sum, &row);
                }
            }
            // SAFETY: this thread alone writes the token.
            unsafe { store_line(problem.y, kind, token * d, &sum) };
        }
    }
}

/// Adds the gradients of the tokens to those of the tables.
///
/// # Safety
/// As for [`forward`].
pub(super) unsafe fn backward(problem: &EmbeddingProblem) -> Result<()> {
    // SAFETY: as promised.
    let sorted = problem.tables().iter().map(|table| unsafe { table.sorted(problem.tokens) });
    let sorted: Vec<_> = sorted.collect();
    let level = CpuLevel::current();
    parallel(c"sst::embedding_grads", problem.width.div_ceil(COLUMNS), |part| {
        let columns = part * COLUMNS..problem.width.min((part + 1) * COLUMNS);
        for (table, sorted) in problem.tables().iter().zip(&sorted) {
            level.run(Backward { problem, table, sorted, columns: columns.clone() });
        }
    })
}

struct Backward<'a> {
    problem: &'a EmbeddingProblem,
    table: &'a Table,
    sorted: &'a [(usize, usize)],
    columns: Range<usize>,
}

impl Body for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { problem, table, sorted, columns } = self;
        let (d, kind) = (problem.width, problem.kind);
        let (mut sum, mut row) = ([0.0; COLUMNS], [0.0; COLUMNS]);
        let (sum, row) = (&mut sum[..columns.len()], &mut row[..columns.len()]);
        for of_row in sorted.chunk_by(|a, b| a.0 == b.0) {
            let to = of_row[0].0 * d + columns.start;
            // SAFETY: ids were checked to be rows, and this thread alone has these columns of the table.
            unsafe {
                load_line(problem.y_grad, kind, of_row[0].1 * d + columns.start, sum);
                for (_, token) in &of_row[1..] {
                    load_line(problem.y_grad, kind, token * d + columns.start, row);
                    add(sum, row);
                }
                load_line(table.grad, kind, to, row);
                add(sum, row);
                store_line(table.grad, kind, to, sum);
            }
        }
    }
}

#[inline(always)]
fn add(sum: &mut [f32], row: &[f32]) {
    for (sum, x) in sum.iter_mut().zip(row) {
        *sum += x;
    }
}
