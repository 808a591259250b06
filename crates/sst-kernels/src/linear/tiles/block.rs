//! 32 x 32 results: their sums, and what becomes of them.

use std::mem::MaybeUninit;

use crate::number::Kind;

/// Rows and columns of a block.
pub(super) const BLOCK: usize = 32;

/// The sums of a block, in fp32.
#[repr(C, align(64))]
pub(super) struct Sums(MaybeUninit<[f32; BLOCK * BLOCK]>);

impl Sums {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// Numbers, where not all rows get some.
    pub(super) const fn zeroed() -> Self {
        Self(MaybeUninit::zeroed())
    }

    /// What it is before the first product.
    pub(super) fn zero() -> *const Self {
        static ZERO: Sums = Sums::zeroed();
        &raw const ZERO
    }

    /// The first of them.
    pub(super) fn numbers(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }
}

/// A matrix of results, or where a block of it begins.
#[derive(Clone, Copy)]
pub(super) struct Output {
    pub(super) numbers: *mut std::ffi::c_void,
    pub(super) kind: Kind,
    pub(super) rows: usize,
    /// Numbers from one row to the next.
    pub(super) stride: usize,
}

impl Output {
    /// The results from this one on.
    pub(super) fn at(self, row: usize, column: usize) -> Self {
        let place = row * self.stride + column;
        let numbers = match self.kind {
            Kind::Float => self.numbers.cast::<f32>().wrapping_add(place).cast(),
            Kind::BFloat16 => self.numbers.cast::<u16>().wrapping_add(place).cast(),
        };
        Self { numbers, ..self }
    }
}
