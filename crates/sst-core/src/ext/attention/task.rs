//! The problem as both sides of the bridge see it, and the entry points that the C++ side calls.

use std::ffi::{c_int, c_void};

use super::kernel::{Scratch, backward, forward};
use super::simd::Portable;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use crate::ext::number::{Kind, Level};

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
pub(in crate::ext) struct Task {
    pub(super) query: Source,
    pub(super) key: Source,
    pub(super) value: Source,
    pub(super) out_grad: Source,
    pub(super) out: *mut c_void,
    pub(super) query_grad: Target,
    pub(super) key_grad: Target,
    pub(super) value_grad: Target,
    /// `[t, h]`.
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
    let mut scratch = Scratch::default();
    let is_backward = backward != 0;
    // SAFETY: the features are there.
    unsafe {
        match Level::detect() {
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => with_avx512(task, next, is_backward, &mut scratch),
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => with_avx2(task, next, is_backward, &mut scratch),
            Level::Portable => take::<Portable>(task, next, is_backward, &mut scratch),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")]
unsafe fn with_avx512(task: &Task, next: Next<'_>, backward: bool, scratch: &mut Scratch) {
    // SAFETY: passed on.
    unsafe { take::<Avx512>(task, next, backward, scratch) }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn with_avx2(task: &Task, next: Next<'_>, backward: bool, scratch: &mut Scratch) {
    // SAFETY: passed on.
    unsafe { take::<Avx2>(task, next, backward, scratch) }
}

#[inline(always)]
unsafe fn take<S: super::simd::Simd>(
    task: &Task,
    next: Next<'_>,
    is_backward: bool,
    scratch: &mut Scratch,
) {
    loop {
        let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if number >= task.rows * task.kv_heads {
            return;
        }
        // SAFETY: each number is taken once.
        unsafe {
            if is_backward {
                backward::<S>(task, number, scratch);
            } else {
                forward::<S>(task, number, scratch);
            }
        }
    }
}
