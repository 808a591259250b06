//! What this process may multiply tiles with.

use std::cell::Cell;
use std::sync::OnceLock;

use crate::cpu::CpuLevel;

thread_local! {
    static FORBIDDEN: Cell<Option<Unit>> = const { Cell::new(None) };
}

/// What multiplies tiles, the better the greater.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
    /// Vectors of fp32 numbers, of any processor; bf16 is widened.
    Lanes,
    /// AVX-512, in bf16 with dot products of two numbers (`VDPBF16PS`).
    Vectors,
    /// AMX.
    Tiles,
}

/// Makes this thread compute as if the processor had neither this unit nor a better one, or has all again: to compare
/// the ways.
#[doc(hidden)]
pub fn forbid_unit(unit: Option<Unit>) {
    FORBIDDEN.set(unit);
}

/// What this process multiplies with; `None` where a test forbids everything.
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

/// Bytes that rows may take of the second cache, so that weights have room beside them: five eighths.
pub(super) fn near_bytes() -> usize {
    static FOUND: OnceLock<usize> = OnceLock::new();
    *FOUND.get_or_init(|| second_cache().max(512) * (1024 / 8 * 5))
}

/// The size of the second cache in KiB (AMD, "Architecture Programmer's Manual" volume 3, appendix E.4.5; Intel's
/// processors tell it there too); 0 where it is not known.
fn second_cache() -> usize {
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
