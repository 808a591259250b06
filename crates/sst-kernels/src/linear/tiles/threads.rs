//! Pieces of work for libtorch's threads, and what they share.

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::parallel::parallel;

/// Places in memory that threads share: each is written by one of them.
#[derive(Clone, Copy)]
pub(super) struct Shared<T>(pub(super) T);

// SAFETY: as said.
unsafe impl<T> Sync for Shared<T> {}

impl<T: Copy> Shared<T> {
    pub(super) fn get(&self) -> T {
        self.0
    }
}

/// Memory from libtorch, which keeps what is freed and begins where a cache line does.
pub(super) fn bytes(count: usize) -> Result<Tensor> {
    Ok(Tensor::f_empty([count as i64], (Kind::Uint8, Device::Cpu))?)
}

pub(super) fn threads() -> usize {
    tch::get_num_threads().max(1) as usize
}

/// Calls `body` with a thread's number and each number below `count`; a thread that is done takes the next.
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
