//! The problem as both sides of the bridge see it, and the entry points that the C++ side calls.

use std::ffi::{c_int, c_void};

use super::kernel::{Scratch, backward, forward};
use crate::cpu::CpuLevel;
use crate::number::Kind;
use crate::panics;
use crate::simd::{Simd, SimdBody};

/// Tokens one after the other, `stride` numbers apart, all heads of a token side by side.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Source {
    pub(super) data: *const c_void,
    pub(super) stride: usize,
}

/// Where such tokens are written.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Target {
    pub(super) data: *mut c_void,
    pub(super) stride: usize,
}

/// `SstAttention` of `cpp/attention.cc`, field by field. Tensors without a stride are contiguous; those
/// of the other pass are null.
#[repr(C)]
pub(crate) struct Task {
    pub(super) query: Source,
    pub(super) key: Source,
    pub(super) value: Source,
    pub(super) out_grad: Source,
    pub(super) out: *mut c_void,
    pub(super) query_grad: Target,
    pub(super) key_grad: Target,
    pub(super) value_grad: Target,
    /// `[t, h]`; null where they are not kept.
    pub(super) log_sums: *mut f32,
    /// The first query of each row, and the end of the last.
    pub(super) offsets: *const i64,
    /// The first key of each row, and the end of its keys.
    pub(super) keys: *const i64,
    pub(super) rows: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) width: usize,
    pub(super) seed: u64,
    pub(super) scale: f32,
    pub(super) dropout: f32,
    pub(super) kind: Kind,
    pub(super) causal: bool,
}

/// A counter of the tasks that are taken, shared by the threads: rows differ in length, so shares of equal
/// number would not be shares of equal work.
pub(super) type Next<'a> = &'a std::sync::atomic::AtomicUsize;

/// Called by each thread: takes tasks until none is left.
///
/// # Safety
/// `task` and `next` must be what [`super::ragged_attention`] describes.
pub(super) unsafe extern "C" fn run(task: *const Task, next: *const c_void, backward: c_int) {
    // SAFETY: both live until every thread has returned.
    let (task, next) = unsafe { (&*task, &*next.cast::<std::sync::atomic::AtomicUsize>()) };
    panics::catch_for_later("sst::attention", || {
        CpuLevel::current().run_simd(Take { task, next, is_backward: backward != 0 });
    });
}

/// Rows for each thread, from which on whole ones are shared out.
const ROWS: usize = 32;

/// Takes tasks until none is left.
struct Take<'a> {
    task: &'a Task,
    next: Next<'a>,
    is_backward: bool,
}

impl SimdBody for Take<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { task, next, is_backward } = self;
        let mut scratch = Scratch::default();
        // Heads of a row lie side by side in memory: where there are rows enough, a thread takes all of one.
        let has_many = task.rows >= ROWS * tch::get_num_threads().max(1) as usize;
        let share = if has_many { task.kv_heads } else { 1 };
        let count = task.rows * task.kv_heads;
        loop {
            let first = next.fetch_add(share, std::sync::atomic::Ordering::Relaxed);
            if first >= count {
                return;
            }
            for number in first..count.min(first + share) {
                // SAFETY: each number is taken once.
                unsafe {
                    if is_backward {
                        backward::<S>(task, number, &mut scratch);
                    } else {
                        forward::<S>(task, number, &mut scratch);
                    }
                }
            }
        }
    }
}
