//! Whether this process may use AMX.

use std::cell::Cell;

thread_local! {
    static IS_FORBIDDEN: Cell<bool> = const { Cell::new(false) };
}

/// Makes this thread compute as if the processor had no AMX, or not any more: to compare the two ways.
#[doc(hidden)]
pub fn forbid_tiles(forbid: bool) {
    IS_FORBIDDEN.set(forbid);
}

/// Whether the processor multiplies bf16 tiles, and the system lets this process do so.
pub(in crate::ext::linear) fn has_amx() -> bool {
    #[cfg(target_os = "linux")]
    {
        use std::sync::OnceLock;
        static FOUND: OnceLock<bool> = OnceLock::new();
        !IS_FORBIDDEN.get() && *FOUND.get_or_init(|| linux::has_tiles() && linux::asked())
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
        is_x86_feature_detected!("avx512bf16")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512dq")
            && __cpuid_count(7, 0).edx & AMX == AMX
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
