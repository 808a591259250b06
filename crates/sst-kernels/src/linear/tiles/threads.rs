//! Runs pieces of work on libtorch's threads, and shares pointers between them.

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::parallel::parallel;

/// A pointer that threads share. Each place in its memory is written by one thread only.
#[derive(Clone, Copy)]
pub(super) struct Shared<T>(pub(super) T);

// SAFETY: see [`Shared`].
unsafe impl<T> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    pub(super) fn get(&self) -> T {
        self.0
    }
}

/// Uninitialised memory from libtorch's allocator, which reuses freed memory and aligns it to cache lines.
pub(super) fn bytes(count: usize) -> Result<Tensor> {
    Ok(Tensor::f_empty([count as i64], (Kind::Uint8, Device::Cpu))?)
}

pub(super) fn threads() -> usize {
    tch::get_num_threads().max(1) as usize
}

/// Calls `body` with the number of a thread and with each number below `count`. A thread that finishes takes the next
/// number.
pub(super) fn each(
    name: &'static CStr,
    count: usize,
    body: impl Fn(usize, usize) + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    parallel(name, count.min(threads()), |thread| {
        loop {
            match next.fetch_add(1, Ordering::Relaxed) {
                i if i < count => body(thread, i),
                _ => break,
            }
        }
    })
}
