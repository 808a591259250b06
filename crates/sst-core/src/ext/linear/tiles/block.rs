//! 32 x 32 results: four tiles of sums, so that each tile that is read serves two products.

use std::arch::asm;
use std::arch::x86_64::*;
use std::mem::{MaybeUninit, transmute};
use std::ops::Range;

use super::pack::{Panel, ROWS, Strip, place, split, store, wide};
use super::weight::Block;
use crate::ext::linear::Curve;
use crate::ext::number::Kind;

/// Rows and columns of a block.
pub(super) const BLOCK: usize = 32;

/// Brings 512 bytes near: to the first cache what the next step needs, to the second what the next panel is. A core
/// that is shared, or whose weights lie in a cache further off, waits for them otherwise.
macro_rules! ahead {
    ($hint:literal, $from:literal, $at:literal) => {
        concat!(
            $hint,
            " [{",
            $from,
            "} + ",
            $at,
            "]\n",
            $hint,
            " [{",
            $from,
            "} + ",
            $at,
            " + 64]\n",
            $hint,
            " [{",
            $from,
            "} + ",
            $at,
            " + 128]\n",
            $hint,
            " [{",
            $from,
            "} + ",
            $at,
            " + 192]\n",
            $hint,
            " [{",
            $from,
            "} + ",
            $at,
            " + 256]\n",
            $hint,
            " [{",
            $from,
            "} + ",
            $at,
            " + 320]\n",
            $hint,
            " [{",
            $from,
            "} + ",
            $at,
            " + 384]\n",
            $hint,
            " [{",
            $from,
            "} + ",
            $at,
            " + 448]\n",
        )
    };
}

/// Bytes of the next panel that a step brings near: for numbers in one part, and in three.
pub(super) const AHEAD: [usize; 2] = [512, 1536];

/// Shapes of the eight tile registers, as `LDTILECFG` reads them.
#[repr(C, align(64))]
struct Shapes([u8; 64]);

/// The tile registers of this thread are set up until this is dropped; other users of tiles (oneDNN) set up their own.
pub(super) struct Tiles(());

impl Tiles {
    /// # Safety
    /// The process must be allowed to use AMX.
    pub(super) unsafe fn set_up() -> Self {
        let mut shapes = Shapes([0; 64]);
        // Palette 1; 16 rows of 64 bytes in each.
        shapes.0[0] = 1;
        for tile in 0..8 {
            shapes.0[16 + 2 * tile] = 64;
            shapes.0[48 + tile] = 16;
        }
        // SAFETY: 64 readable bytes with a valid palette.
        unsafe { asm!("ldtilecfg [{}]", in(reg) shapes.0.as_ptr(), options(nostack, readonly)) };
        Self(())
    }

    /// Begins with `sums`, in four registers, which no compiled code touches.
    ///
    /// # Safety
    /// The sums must be computed.
    #[inline]
    pub(super) unsafe fn begin(&self, sums: *const Sums) {
        // SAFETY: 32 readable rows of 128 bytes.
        unsafe {
            asm!(
                "tileloadd tmm0, [{sums} + {line}]",
                "tileloadd tmm1, [{sums} + {line} + 64]",
                "tileloadd tmm2, [{sums} + {line} + 2048]",
                "tileloadd tmm3, [{sums} + {line} + 2112]",
                sums = in(reg) sums,
                line = in(reg) 128_usize,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                options(nostack, readonly),
            );
        }
    }

    /// Writes the sums.
    ///
    /// # Safety
    /// They must be writable.
    #[inline]
    pub(super) unsafe fn end(&self, sums: *mut Sums) {
        // SAFETY: 32 writable rows of 128 bytes.
        unsafe {
            asm!(
                "tilestored [{sums} + {line}], tmm0",
                "tilestored [{sums} + {line} + 64], tmm1",
                "tilestored [{sums} + {line} + 2048], tmm2",
                "tilestored [{sums} + {line} + 2112], tmm3",
                sums = in(reg) sums,
                line = in(reg) 128_usize,
                options(nostack),
            );
        }
    }

    /// Adds the products of one step of a strip and of a panel of bf16 numbers to the sums.
    ///
    /// # Safety
    /// Both must be there.
    #[inline]
    pub(super) unsafe fn multiply(&self, strip: Strip, panel: Panel) {
        // SAFETY: the caller promises the tiles.
        unsafe {
            asm!(
                "tileloadd tmm4, [{upper} + {stride}]",
                "tileloadd tmm6, [{panel} + {dense}]",
                ahead!("prefetcht0", "panel", 2048),
                "tileloadd tmm7, [{panel} + {dense} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                ahead!("prefetcht0", "panel", 2560),
                "tileloadd tmm5, [{lower} + {stride}]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                ahead!("prefetcht0", "panel", 3072),
                "tdpbf16ps tmm2, tmm5, tmm6",
                ahead!("prefetcht0", "panel", 3584),
                "tdpbf16ps tmm3, tmm5, tmm7",
                ahead!("prefetcht1", "next", 0),
                upper = in(reg) strip.upper,
                lower = in(reg) strip.lower,
                panel = in(reg) panel.tiles,
                next = in(reg) panel.next,
                stride = in(reg) strip.stride,
                dense = in(reg) 64_usize,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly),
            );
        }
    }

    /// The same where each number is the sum of three: six of the nine products, the small ones first. What the
    /// others would add is below the rounding of fp32.
    ///
    /// # Safety
    /// As for [`Tiles::multiply`]; the strip must be packed.
    #[inline]
    pub(super) unsafe fn multiply_three(&self, strip: Strip, panel: Panel) {
        // SAFETY: as above. A step of a strip and of a panel is three times two tiles.
        unsafe {
            asm!(
                // First of the strip, third of the panel.
                "tileloadd tmm4, [{strip} + {dense}]",
                "tileloadd tmm6, [{panel} + {dense} + 4096]",
                "tileloadd tmm7, [{panel} + {dense} + 5120]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm5, [{strip} + {dense} + 1024]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tileloadd tmm6, [{panel} + {dense} + 2048]",
                "tdpbf16ps tmm3, tmm5, tmm7",
                ahead!("prefetcht0", "strip", 6144),
                ahead!("prefetcht0", "panel", 6144),
                ahead!("prefetcht0", "strip", 6656),
                ahead!("prefetcht0", "panel", 6656),
                // First and second.
                "tileloadd tmm7, [{panel} + {dense} + 3072]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm4, [{strip} + {dense} + 2048]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                ahead!("prefetcht0", "strip", 7168),
                ahead!("prefetcht0", "panel", 7168),
                ahead!("prefetcht0", "strip", 7680),
                ahead!("prefetcht0", "panel", 7680),
                ahead!("prefetcht1", "next", 0),
                // Second and second.
                "tileloadd tmm5, [{strip} + {dense} + 3072]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tileloadd tmm6, [{panel} + {dense}]",
                "tdpbf16ps tmm3, tmm5, tmm7",
                ahead!("prefetcht0", "strip", 8192),
                ahead!("prefetcht0", "panel", 8192),
                ahead!("prefetcht0", "strip", 8704),
                ahead!("prefetcht0", "panel", 8704),
                // Second and first.
                "tileloadd tmm7, [{panel} + {dense} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm4, [{strip} + {dense} + 4096]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                ahead!("prefetcht0", "strip", 9216),
                ahead!("prefetcht0", "panel", 9216),
                ahead!("prefetcht0", "strip", 9728),
                ahead!("prefetcht0", "panel", 9728),
                ahead!("prefetcht1", "next", 512),
                // Third and first.
                "tileloadd tmm5, [{strip} + {dense} + 5120]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm4, [{strip} + {dense}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                ahead!("prefetcht0", "strip", 10240),
                ahead!("prefetcht0", "panel", 10240),
                ahead!("prefetcht0", "strip", 10752),
                ahead!("prefetcht0", "panel", 10752),
                // First and first.
                "tileloadd tmm5, [{strip} + {dense} + 1024]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                ahead!("prefetcht0", "strip", 11264),
                ahead!("prefetcht0", "panel", 11264),
                ahead!("prefetcht0", "strip", 11776),
                ahead!("prefetcht0", "panel", 11776),
                ahead!("prefetcht1", "next", 1024),
                strip = in(reg) strip.upper,
                panel = in(reg) panel.tiles,
                next = in(reg) panel.next,
                dense = in(reg) 64_usize,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly),
            );
        }
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: the registers were set up here.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// The sums of a block, in fp32.
#[repr(C, align(64))]
pub(super) struct Sums(MaybeUninit<[f32; BLOCK * BLOCK]>);

impl Sums {
    /// Nothing yet.
    pub(super) const fn new() -> Self {
        Self(MaybeUninit::uninit())
    }

    /// What it is before the first product.
    pub(super) fn zero() -> *const Self {
        static ZERO: Sums = Sums(MaybeUninit::new([0.0; BLOCK * BLOCK]));
        &raw const ZERO
    }

    /// Writes the sums of some rows and the first columns, with a bias for each column, to `output`, where the first
    /// row begins.
    ///
    /// # Safety
    /// The processor must have AVX-512 bf16, the sums been computed, and the results be writable.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    pub(super) unsafe fn write(
        &self,
        bias: &[f32; BLOCK],
        output: Output,
        rows: Range<usize>,
        columns: usize,
    ) {
        // SAFETY: as promised.
        unsafe {
            for r in rows {
                output.write(r, columns, self.line(bias, r));
            }
        }
    }

    /// Writes what [`Self::write`] does, and what a curve makes of it.
    ///
    /// # Safety
    /// As there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
    pub(super) unsafe fn write_curve(
        &self,
        bias: &[f32; BLOCK],
        curve: Curve,
        [before, after]: [Output; 2],
        rows: Range<usize>,
        columns: usize,
    ) {
        // SAFETY: as promised.
        unsafe {
            for r in rows {
                let [a, b] = self.line(bias, r);
                before.write(r, columns, [a, b]);
                after.write(r, columns, [curve.apply(a), curve.apply(b)]);
            }
        }
    }

    /// Writes the sums times the slope of a curve at what was `before` it.
    ///
    /// # Safety
    /// As for [`Self::write`]; what was before must be there.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
    pub(super) unsafe fn write_slope(
        &self,
        curve: Curve,
        before: Output,
        output: Output,
        rows: Range<usize>,
        columns: usize,
    ) {
        // SAFETY: as promised.
        unsafe {
            for r in rows {
                let [a, b] = self.line(&[0.0; BLOCK], r);
                let [x, y] = before.read(r, columns);
                let [x, y] = [curve.slope(x), curve.slope(y)];
                output.write(r, columns, [_mm512_mul_ps(a, x), _mm512_mul_ps(b, y)]);
            }
        }
    }

    /// A row of the sums, with the bias.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn line(&self, bias: &[f32; BLOCK], row: usize) -> [__m512; 2] {
        // SAFETY: 32 numbers each.
        unsafe {
            let line = self.0.as_ptr().cast::<f32>().add(row * BLOCK);
            let bias = bias.as_ptr();
            let a = _mm512_add_ps(_mm512_load_ps(line), _mm512_loadu_ps(bias));
            let b = _mm512_add_ps(_mm512_load_ps(line.add(16)), _mm512_loadu_ps(bias.add(16)));
            [a, b]
        }
    }
}

/// Writes some rows of the sums of a block as a step of a packed strip, after the curve: they are the left factor of the next
/// product.
///
/// # Safety
/// As for [`Sums::write`]; there must be room for the tiles of a step.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,avx512bf16")]
pub(super) unsafe fn write_step<const P: usize>(
    sums: &Sums,
    bias: &[f32; BLOCK],
    curve: Curve,
    to: *mut u16,
    rows: Range<usize>,
) {
    // SAFETY: as promised.
    unsafe {
        for r in rows {
            let [a, b] = sums.line(bias, r);
            for (p, numbers) in split::<P>(curve.apply(a), curve.apply(b)).into_iter().enumerate() {
                store(to.add(place(P, 0, p, r / ROWS)), r % ROWS, numbers);
            }
        }
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
    fn at(self, row: usize, column: usize) -> Self {
        let place = row * self.stride + column;
        let numbers = match self.kind {
            Kind::Float => self.numbers.cast::<f32>().wrapping_add(place).cast(),
            Kind::BFloat16 => self.numbers.cast::<u16>().wrapping_add(place).cast(),
        };
        Self { numbers, ..self }
    }

    /// The place of a block, and which of some rows and how many columns there are of it.
    pub(super) fn of(self, block: &Block<'_>, some: Range<usize>) -> (Self, Range<usize>, usize) {
        let (row, column) = (block.strip * BLOCK, block.panel * BLOCK);
        let some = some.start..some.end.min(self.rows - row);
        (self.at(row, column), some, BLOCK.min(self.stride - column))
    }

    /// Writes the first columns of a row.
    ///
    /// # Safety
    /// There must be room.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn write(self, row: usize, columns: usize, [a, b]: [__m512; 2]) {
        let mask = first(columns);
        // SAFETY: as promised; only the columns that there are get written.
        unsafe {
            match self.kind {
                Kind::Float => {
                    let to = self.numbers.cast::<f32>().add(row * self.stride);
                    _mm512_mask_storeu_ps(to, mask as u16, a);
                    _mm512_mask_storeu_ps(to.wrapping_add(16), (mask >> 16) as u16, b);
                }
                Kind::BFloat16 => {
                    let to = self.numbers.cast::<i16>().add(row * self.stride);
                    let both = transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(b, a));
                    _mm512_mask_storeu_epi16(to, mask, both);
                }
            }
        }
    }

    /// Reads the first columns of a row.
    ///
    /// # Safety
    /// They must be there, in bf16.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn read(self, row: usize, columns: usize) -> [__m512; 2] {
        // SAFETY: as promised; only the columns that there are get read.
        let both = unsafe {
            let from = self.numbers.cast::<i16>().add(row * self.stride);
            _mm512_maskz_loadu_epi16(first(columns), from)
        };
        [wide(_mm512_castsi512_si256(both)), wide(_mm512_extracti64x4_epi64::<1>(both))]
    }
}

/// One bit for each of the first columns of a block.
#[inline]
fn first(columns: usize) -> u32 {
    if columns >= BLOCK { u32::MAX } else { (1 << columns) - 1 }
}
