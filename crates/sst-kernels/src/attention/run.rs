//! The entry point for the threads of the C++ side.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::kernel::{backward, forward};
use super::problem::AttentionProblem;
use super::scratch::Scratch;
use crate::cpu::CpuLevel;
use crate::panics;
use crate::simd::{Simd, SimdBody};

/// The counter of started tasks, which the threads share. Rows differ in length, so that a fixed division of the
/// tasks would not balance the work.
pub(super) type Next<'a> = &'a AtomicUsize;

/// Runs tasks until none is left. Each thread calls it once.
///
/// # Safety
/// `problem` must be a complete [`AttentionProblem`], and `next` the counter that the threads share.
pub(super) unsafe extern "C" fn run(
    problem: *const AttentionProblem,
    next: *const c_void,
    backward: c_int,
) {
    // SAFETY: both live until every thread has returned.
    let (problem, next) = unsafe { (&*problem, &*next.cast::<AtomicUsize>()) };
    panics::catch_for_later("sst::attention", || {
        CpuLevel::current().run_simd(Take { problem, next, is_backward: backward != 0 });
    });
}

/// With at least this many rows for each thread, a thread takes all heads of a row.
const ROWS: usize = 32;

/// Runs tasks until none is left.
struct Take<'a> {
    problem: &'a AttentionProblem,
    next: Next<'a>,
    is_backward: bool,
}

impl SimdBody for Take<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { problem, next, is_backward } = self;
        let mut scratch = Scratch::default();
        // The heads of a row are side by side in memory, so that one thread should take them all if there are enough
        // rows.
        let has_many = problem.rows >= ROWS * tch::get_num_threads().max(1) as usize;
        let share = if has_many { problem.kv_heads } else { 1 };
        let count = problem.rows * problem.kv_heads;
        loop {
            let first = next.fetch_add(share, Ordering::Relaxed);
            if first >= count {
                return;
            }
            for number in first..count.min(first + share) {
                // SAFETY: each number is taken by one thread only.
                unsafe {
                    if is_backward {
                        backward::<S>(problem, number, &mut scratch);
                    } else {
                        forward::<S>(problem, number, &mut scratch);
                    }
                }
            }
        }
    }
}
