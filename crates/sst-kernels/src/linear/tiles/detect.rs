//! Selects the unit of the processor that multiplies tiles.

use std::cell::Cell;
use std::sync::OnceLock;

use crate::cpu::CpuLevel;

thread_local! {
    static FORBIDDEN: Cell<Option<Unit>> = const { Cell::new(None) };
}

/// A unit that multiplies tiles, from the slowest to the fastest.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Vectors of fp32 numbers, on any processor; bf16 is converted to fp32.
    Lanes,
    /// AVX-512, with dot products of bf16 pairs (`VDPBF16PS`).
    Vectors,
    /// AMX.
    Tiles,
}

/// Makes this thread compute as if the processor had neither this unit nor a faster one; `None` restores all units.
/// For comparisons of the units.
#[doc(hidden)]
pub fn forbid_unit(unit: Option<Unit>) {
    FORBIDDEN.set(unit);
}

/// The unit that this process uses; `None` if a test forbids all units.
pub(in crate::linear) fn unit() -> Option<Unit> {
    let best = match CpuLevel::current() {
        CpuLevel::Amx => Unit::Tiles,
        CpuLevel::Avx512Bf16 => Unit::Vectors,
        _ => Unit::Lanes,
    };
    match FORBIDDEN.get() {
        Some(Unit::Lanes) => None,
        Some(Unit::Vectors) => Some(Unit::Lanes),
        Some(Unit::Tiles) => Some(best.min(Unit::Vectors)),
        None => Some(best),
    }
}

/// The part of the L2 cache that rows may fill, in bytes: five eighths, which leaves room for weights.
pub(super) fn l2_budget() -> usize {
    static FOUND: OnceLock<usize> = OnceLock::new();
    *FOUND.get_or_init(|| l2_kib().max(512) * (1024 / 8 * 5))
}

/// The size of the L2 cache in KiB (AMD, "Architecture Programmer's Manual" volume 3, appendix E.4.5; Intel's
/// processors report it in the same way); 0 if it is unknown.
fn l2_kib() -> usize {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::__cpuid;
        const CACHES: u32 = 0x8000_0006;
        if __cpuid(0x8000_0000).eax >= CACHES {
            return (__cpuid(CACHES).ecx >> 16) as usize;
        }
    }
    0
}
