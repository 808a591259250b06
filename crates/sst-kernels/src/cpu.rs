//! The instruction sets that kernels are compiled for, and which of them this process uses.
//!
//! The environment variable `SST_CPU` lowers the level, for tests and for bug reports. `cpp/cpu.cc` reads it too, when the
//! process starts, and lowers libtorch, oneDNN and MKL with it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::sync::OnceLock;

use crate::error::{Error, Result};

/// The variable that lowers the level of this process.
pub const CPU_LEVEL_VARIABLE: &str = "SST_CPU";

/// The instructions that kernels may use; each level includes those before it on the same architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CpuLevel {
    /// What every processor of the architecture has: SSE2 on x86-64.
    Portable,
    /// Arm: NEON with fused multiply-adds.
    Neon,
    /// x86-64: AVX2 and FMA.
    Avx2,
    /// x86-64: AVX-512 F, BW, VL and DQ.
    Avx512,
    /// x86-64: dot products of two bf16 numbers in AVX-512 (`VDPBF16PS`).
    Avx512Bf16,
    /// x86-64: AMX tiles of bf16 numbers, which the system must allow to this process.
    Amx,
}

/// The variables that lower the instructions which libtorch, oneDNN and MKL choose; `SST_CPU` sets them.
const LIBRARY_VARIABLES: [&str; 3] =
    ["ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS"];

/// The variables that limit libtorch, oneDNN and MKL in this process, with their values.
#[allow(clippy::disallowed_methods, reason = "SST_CPU sets these variables")]
pub fn library_variables() -> BTreeMap<&'static str, String> {
    let set = LIBRARY_VARIABLES.iter().filter_map(|name| Some((*name, std::env::var(name).ok()?)));
    set.collect()
}

impl CpuLevel {
    /// Every level, in ascending order.
    pub const ALL: [Self; 6] =
        [Self::Portable, Self::Neon, Self::Avx2, Self::Avx512, Self::Avx512Bf16, Self::Amx];

    /// Its name in `SST_CPU`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Bf16 => "avx512bf16",
            Self::Amx => "amx",
        }
    }

    /// The levels that this processor supports, in ascending order.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|level| level.is_available()).collect()
    }

    /// The highest level of this processor.
    pub fn detected() -> Self {
        static FOUND: OnceLock<CpuLevel> = OnceLock::new();
        *FOUND.get_or_init(|| Self::available().pop().unwrap_or(Self::Portable))
    }

    /// The level that this process uses: that of `SST_CPU`, or the highest where the variable is not set or not valid
    /// ([`CpuLevel::requested`] says which).
    pub fn current() -> Self {
        static CURRENT: OnceLock<CpuLevel> = OnceLock::new();
        *CURRENT.get_or_init(|| Self::requested().ok().flatten().unwrap_or_else(Self::detected))
    }

    /// The level that `SST_CPU` asks for, if it is set and not empty.
    ///
    /// # Errors
    /// If it names no level, or one that this processor does not have.
    #[allow(clippy::disallowed_methods, reason = "the one variable that kernels read")]
    pub fn requested() -> Result<Option<Self>> {
        match std::env::var_os(CPU_LEVEL_VARIABLE).filter(|name| !name.is_empty()) {
            None => Ok(None),
            Some(name) => Self::parse(&name).map(Some),
        }
    }

    fn parse(name: &OsStr) -> Result<Self> {
        let available = Self::available();
        let names = |levels: &[Self]| {
            levels.iter().map(|level| level.name()).collect::<Vec<_>>().join(", ")
        };
        let level = Self::ALL.into_iter().find(|level| name == level.name());
        level.filter(|level| available.contains(level)).ok_or_else(|| {
            let problem = match level {
                Some(_) => "is not a level of this processor, which has",
                None => "is not a level; this processor has",
            };
            let name = name.to_string_lossy();
            let has = names(&available);
            Error::Contract(format!("{CPU_LEVEL_VARIABLE}={name} {problem} {has}"))
        })
    }

    /// Whether products of bf16 numbers are faster than those of fp32 numbers.
    pub fn has_fast_bf16(self) -> bool {
        self >= Self::Avx512Bf16
    }

    #[cfg(target_arch = "x86_64")]
    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Neon => false,
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512dq")
            }
            Self::Avx512Bf16 => {
                Self::Avx512.is_available() && is_x86_feature_detected!("avx512bf16")
            }
            Self::Amx => Self::Avx512Bf16.is_available() && amx::is_allowed(),
        }
    }

    #[cfg(target_arch = "aarch64")]
    fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            Self::Avx2 | Self::Avx512 | Self::Avx512Bf16 | Self::Amx => false,
        }
    }

    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    fn is_available(self) -> bool {
        self == Self::Portable
    }
}

impl fmt::Display for CpuLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(target_arch = "x86_64")]
mod amx {
    /// Whether the processor has AMX for bf16, and the system lets this process use it.
    pub(super) fn is_allowed() -> bool {
        #[cfg(target_os = "linux")]
        {
            linux::has_tiles() && linux::ask()
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

        /// Asks Linux for permission to use the tile registers, which it saves only for processes that have asked
        /// (see "Using XSTATE features in user space applications" in its documentation). Returns false if the system
        /// is too old or refuses.
        pub(super) fn ask() -> bool {
            /// The number of the system call, of its request for permission, and of the state component of the tiles.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_level_of_this_processor_or_an_error() {
        for level in CpuLevel::available() {
            assert_eq!(CpuLevel::parse(OsStr::new(level.name())).unwrap(), level);
        }
        let error = CpuLevel::parse(OsStr::new("AVX2")).unwrap_err().to_string();
        assert!(
            error.contains("SST_CPU=AVX2 is not a level; this processor has portable"),
            "{error}"
        );
        let missing = CpuLevel::ALL.into_iter().find(|level| !level.is_available());
        if let Some(level) = missing {
            let error = CpuLevel::parse(OsStr::new(level.name())).unwrap_err().to_string();
            assert!(error.contains("is not a level of this processor, which has"), "{error}");
        }
    }

    /// `cargo xtask test` runs this test at every level.
    #[test]
    fn the_level_is_what_was_asked_for() {
        let requested = CpuLevel::requested().unwrap();
        assert_eq!(CpuLevel::current(), requested.unwrap_or_else(CpuLevel::detected));
    }
}
