//! What this process may multiply tiles with.

use std::arch::x86_64::__cpuid;
use std::cell::Cell;
use std::sync::OnceLock;

use crate::ext::number::has_bf16_pairs;

thread_local! {
    static FORBIDDEN: Cell<Option<Unit>> = const { Cell::new(None) };
}

/// What multiplies tiles, the better the greater.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unit {
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

/// What the processor has, and the system lets this process use.
pub(in crate::ext::linear) fn unit() -> Option<Unit> {
    static FOUND: OnceLock<Option<Unit>> = OnceLock::new();
    let found = *FOUND.get_or_init(|| {
        has_bf16_pairs().then(|| if has_amx() { Unit::Tiles } else { Unit::Vectors })
    });
    match FORBIDDEN.get() {
        Some(Unit::Vectors) => None,
        Some(Unit::Tiles) => found.map(|_| Unit::Vectors),
        None => found,
    }
}

/// Bytes that rows may take of the second cache, so that weights have room beside them: five eighths.
pub(super) fn near_bytes() -> usize {
    static FOUND: OnceLock<usize> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // In KiB (AMD, "Architecture Programmer's Manual" volume 3, appendix E.4.5; Intel's processors tell it there too).
        const CACHES: u32 = 0x8000_0006;
        let kibibytes = match __cpuid(0x8000_0000).eax {
            last if last >= CACHES => __cpuid(CACHES).ecx >> 16,
            _ => 0,
        };
        kibibytes.max(512) as usize * (1024 / 8 * 5)
    })
}

fn has_amx() -> bool {
    #[cfg(target_os = "linux")]
    {
        linux::has_tiles() && linux::asked()
    }
    #[cfg(not(target_os = "linux"))]
    false
}

#[cfg(target_os = "linux")]
mod linux {
    use std::arch::asm;
    use std::arch::x86_64::__cpuid_count;

    /// CPUID leaf 7, EDX (Intel, "Architecture Instruction Set Extensions", chapter 1): AMX-BF16 and AMX-TILE.
    const AMX: u32 = 1 << 22 | 1 << 24;

    pub(super) fn has_tiles() -> bool {
        __cpuid_count(7, 0).edx & AMX == AMX
    }

    /// Asks Linux for the registers, which it saves for a process only once that has asked (its documentation,
    /// "Using XSTATE features in user space applications"): false where the system is too old or refuses.
    pub(super) fn asked() -> bool {
        /// The system call, its request for permission, and the state of the tiles.
        const ARCH_PRCTL: i64 = 158;
        const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
        const XFEATURE_XTILE_DATA: i64 = 18;
        let answer: i64;
        // SAFETY: the call reads and writes no memory of this process; the processor overwrites the two registers.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => answer,
                in("rdi") ARCH_REQ_XCOMP_PERM,
                in("rsi") XFEATURE_XTILE_DATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        answer == 0
    }
}
