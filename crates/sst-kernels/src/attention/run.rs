//! The function that each thread of the C++ side calls.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::kernel::{backward, forward};
use super::problem::AttentionProblem;
use super::scratch::Scratch;
use crate::cpu::CpuLevel;
use crate::panics;
use crate::simd::{Simd, SimdBody};

/// A counter of the tasks that are taken, shared by the threads: rows differ in length, so shares of equal
/// number would not be shares of equal work.
pub(super) type Next<'a> = &'a AtomicUsize;

/// Called by each thread: takes tasks until none is left.
///
/// # Safety
/// `task` and `next` must be what [`super::ragged_attention`] describes.
pub(super) unsafe extern "C" fn run(
    task: *const AttentionProblem,
    next: *const c_void,
    backward: c_int,
) {
    // SAFETY: both live until every thread has returned.
    let (task, next) = unsafe { (&*task, &*next.cast::<AtomicUsize>()) };
    panics::catch_for_later("sst::attention", || {
        CpuLevel::current().run_simd(Take { task, next, is_backward: backward != 0 });
    });
}

/// Rows for each thread, from which on whole ones are shared out.
const ROWS: usize = 32;

/// Takes tasks until none is left.
struct Take<'a> {
    task: &'a AttentionProblem,
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
            let first = next.fetch_add(share, Ordering::Relaxed);
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
