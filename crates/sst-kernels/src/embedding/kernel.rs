//! Sums of rows, and what goes back to each: in fp32 in buffers that stay in the cache.

use std::ffi::c_void;
use std::ops::Range;

use crate::cpu::CpuLevel;
use crate::error::Result;
use crate::number::{Body, Kind, load_line, store_line};
use crate::parallel::parallel;

/// Tokens that a thread takes at a time.
const TOKENS: usize = 64;
/// Columns that a thread takes at a time, for all tokens and tables: so each number of a gradient is written by one
/// thread, also where two tables are one.
const COLUMNS: usize = 64;

/// `SstTable` of `cpp/embedding.cc`, field by field.
#[repr(C)]
pub(super) struct Table {
    /// `[rows, d]`, in the forward pass.
    weight: *const c_void,
    /// The same, in the backward pass.
    grad: *mut c_void,
    /// `[t]`, each that of a row.
    ids: *const i64,
    /// The row that gets no gradient.
    padding: i64,
}

/// `SstEmbedding` of `cpp/embedding.cc`, field by field. Tables and both `[t, d]` are contiguous and of one kind.
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

// SAFETY: threads read all of it, and write rows or columns of their own.
unsafe impl Sync for EmbeddingProblem {}

impl EmbeddingProblem {
    fn tables(&self) -> &[Table] {
        // SAFETY: the bridge gives as many tables as it says, which outlive the call.
        unsafe { std::slice::from_raw_parts(self.tables, self.count) }
    }
}

impl Table {
    /// # Safety
    /// There must be such a token.
    unsafe fn id(&self, token: usize) -> usize {
        // SAFETY: as promised; ids were checked to be rows.
        unsafe { *self.ids.add(token) as usize }
    }

    /// The tokens that send something back, those of one row side by side and in order.
    ///
    /// # Safety
    /// There must be so many tokens.
    unsafe fn sorted(&self, tokens: usize) -> Vec<(usize, usize)> {
        // SAFETY: as promised.
        let of = |token: usize| (unsafe { self.id(token) }, token);
        let mut sorted: Vec<_> = (0..tokens).map(of).collect();
        sorted.retain(|(id, _)| *id as i64 != self.padding);
        sorted.sort_unstable();
        sorted
    }
}

/// Writes `y`.
///
/// # Safety
/// The pointers of `task` must be valid for its sizes.
pub(super) unsafe fn forward(task: &EmbeddingProblem) -> Result<()> {
    let level = CpuLevel::current();
    parallel(c"sst::embedding_rows", task.tokens.div_ceil(TOKENS), |block| {
        let tokens = block * TOKENS..task.tokens.min((block + 1) * TOKENS);
        level.run(Forward { task, tokens });
    })
}

struct Forward<'a> {
    task: &'a EmbeddingProblem,
    tokens: Range<usize>,
}

impl Body for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { task, tokens } = self;
        let (d, kind) = (task.width, task.kind);
        let (mut sum, mut row) = (vec![0.0; d], vec![0.0; d]);
        for token in tokens {
            for (i, table) in task.tables().iter().enumerate() {
                let into = if i == 0 { &mut sum } else { &mut row };
                // SAFETY: ids were checked to be rows.
                unsafe { load_line(table.weight, kind, table.id(token) * d, into) };
                if i > 0 {
                    add(&mut sum, &row);
                }
            }
            // SAFETY: this thread alone writes the token.
            unsafe { store_line(task.y, kind, token * d, &sum) };
        }
    }
}

/// Adds to the gradients of the tables.
///
/// # Safety
/// As for [`forward`].
pub(super) unsafe fn backward(task: &EmbeddingProblem) -> Result<()> {
    // SAFETY: as promised.
    let sorted = task.tables().iter().map(|table| unsafe { table.sorted(task.tokens) });
    let sorted: Vec<_> = sorted.collect();
    let level = CpuLevel::current();
    parallel(c"sst::embedding_grads", task.width.div_ceil(COLUMNS), |part| {
        let columns = part * COLUMNS..task.width.min((part + 1) * COLUMNS);
        for (table, sorted) in task.tables().iter().zip(&sorted) {
            level.run(Backward { task, table, sorted, columns: columns.clone() });
        }
    })
}

struct Backward<'a> {
    task: &'a EmbeddingProblem,
    table: &'a Table,
    sorted: &'a [(usize, usize)],
    columns: Range<usize>,
}

impl Body for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Self { task, table, sorted, columns } = self;
        let (d, kind) = (task.width, task.kind);
        let (mut sum, mut row) = ([0.0; COLUMNS], [0.0; COLUMNS]);
        let (sum, row) = (&mut sum[..columns.len()], &mut row[..columns.len()]);
        for of_row in sorted.chunk_by(|a, b| a.0 == b.0) {
            let to = of_row[0].0 * d + columns.start;
            // SAFETY: ids were checked to be rows, and this thread alone has these columns of the table.
            unsafe {
                load_line(task.y_grad, kind, of_row[0].1 * d + columns.start, sum);
                for (_, token) in &of_row[1..] {
                    load_line(task.y_grad, kind, token * d + columns.start, row);
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
