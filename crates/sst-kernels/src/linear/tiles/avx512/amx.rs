//! Computes 32 x 32 results with AMX. There are four tiles of sums, so that each tile that is loaded takes part in
//! two products.

use std::arch::asm;

use crate::linear::tiles::block::Sums;
use crate::linear::tiles::pack::{Panel, Strip};

/// Prefetches 512 bytes: the data of the next step into the L1 cache, and the next panel into the L2 cache. Otherwise
/// a core that is shared, or whose weights are in a more distant cache, would wait for them.
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

/// The number of bytes of the next panel that a step prefetches: for one part, and for three parts.
pub(in crate::linear::tiles) const AHEAD: [usize; 2] = [512, 1536];

/// The shapes of the eight tile registers in the format of `LDTILECFG`.
#[repr(C, align(64))]
struct Shapes([u8; 64]);

/// A guard: the tile registers of this thread are configured until it is dropped. Other users of tiles (oneDNN)
/// configure their own.
pub(in crate::linear::tiles) struct Tiles(());

impl Tiles {
    /// # Safety
    /// The process must be allowed to use AMX.
    pub(in crate::linear::tiles) unsafe fn set_up() -> Self {
        let mut shapes = Shapes([0; 64]);
        // Palette 1, with 16 rows of 64 bytes in each register.
        shapes.0[0] = 1;
        for tile in 0..8 {
            shapes.0[16 + 2 * tile] = 64;
            shapes.0[48 + tile] = 16;
        }
        // SAFETY: 64 readable bytes with a valid palette.
        unsafe { asm!("ldtilecfg [{}]", in(reg) shapes.0.as_ptr(), options(nostack, readonly)) };
        Self(())
    }

    /// Loads `sums` into four registers, which no compiled code uses.
    ///
    /// # Safety
    /// The sums must be initialised.
    #[inline]
    pub(in crate::linear::tiles) unsafe fn begin(&self, sums: *const Sums) {
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

    /// Stores the sums.
    ///
    /// # Safety
    /// `sums` must be writable.
    #[inline]
    pub(in crate::linear::tiles) unsafe fn end(&self, sums: *mut Sums) {
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
    /// The strip and the panel must be readable.
    #[inline]
    pub(in crate::linear::tiles) unsafe fn multiply(&self, strip: Strip, panel: Panel) {
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
                upper = in(reg) strip.upper(),
                lower = in(reg) strip.lower(),
                panel = in(reg) panel.tiles,
                next = in(reg) panel.next,
                stride = in(reg) strip.row,
                dense = in(reg) 64_usize,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, readonly),
            );
        }
    }

    /// Adds products of zeros to the four sums, `times` times, without access to memory.
    pub(in crate::linear::tiles) fn multiply_themselves(&self, times: usize) {
        // SAFETY: the registers are set up, and no compiled code touches them.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "tilezero tmm4", "tilezero tmm5", "tilezero tmm6", "tilezero tmm7",
                "2:",
                "test {times}, {times}",
                "jz 3f",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "dec {times}",
                "jmp 2b",
                "3:",
                times = inout(reg) times => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, nomem),
            );
        }
    }

    /// [`Tiles::multiply`] for numbers that are sums of three bf16 numbers. Computes six of the nine products, the
    /// smallest first; the other three are below the rounding of fp32.
    ///
    /// # Safety
    /// As for [`Tiles::multiply`]; the strip must be packed.
    #[inline]
    pub(in crate::linear::tiles) unsafe fn multiply_three(&self, strip: Strip, panel: Panel) {
        // SAFETY: as above. A step of a strip and of a panel is three times two tiles.
        unsafe {
            asm!(
                // The first part of the strip with the third of the panel.
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
                // The first part with the second.
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
                // The second part with the second.
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
                // The second part with the first.
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
                // The third part with the first.
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
                // The first part with the first.
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
                strip = in(reg) strip.upper(),
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
