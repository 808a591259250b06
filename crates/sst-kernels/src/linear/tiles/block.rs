//! The sums of 32 x 32 results, and the matrix that the results are written to.

use std::mem::MaybeUninit;

use crate::number::Kind;

/// The number of rows, and of columns, of a block.
pub(super) const BLOCK: usize = 32;

/// The sums of a block, in fp32.
#[repr(C, align(64))]
pub(super) struct Sums(MaybeUninit<[f32; BLOCK * BLOCK]>);

impl Sums {
    /// Uninitialised sums.
    pub(super) const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// Zeros, for blocks in which some rows are not computed.
    pub(super) const fn zeroed() -> Self {
        Self(MaybeUninit::zeroed())
    }

    /// The initial value of all sums.
    pub(super) fn zero() -> *const Self {
        static ZERO: Sums = Sums::zeroed();
        &raw const ZERO
    }

    /// A pointer to the first sum.
    pub(super) fn numbers(&self) -> *const f32 {
        self.0.as_ptr().cast()
    }
}

/// A matrix of results, or the start of a block within it.
#[derive(Clone, Copy)]
pub(super) struct Output {
    pub(super) numbers: *mut std::ffi::c_void,
    pub(super) kind: Kind,
    pub(super) rows: usize,
    /// The distance between rows in numbers.
    pub(super) stride: usize,
}

impl Output {
    /// The same matrix from this row and column on.
    pub(super) fn at(self, row: usize, column: usize) -> Self {
        let place = row * self.stride + column;
        let numbers = match self.kind {
            Kind::Float => self.numbers.cast::<f32>().wrapping_add(place).cast(),
            Kind::BFloat16 => self.numbers.cast::<u16>().wrapping_add(place).cast(),
        };
        Self { numbers, ..self }
    }
}
