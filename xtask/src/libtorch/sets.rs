//! Selects the set of libraries for a machine.

use super::pins::{CPU_LINUX_ARM64, CPU_LINUX_X86_64, CPU_MACOS_ARM64, Set};
use super::pins_cuda::{CUDA_LINUX_ARM64, CUDA_LINUX_X86_64};

/// The set for a machine of this kind, if there is one.
pub(super) fn set(cuda: bool, os: &str, arch: &str) -> Option<&'static Set> {
    match (cuda, os, arch) {
        (false, "linux", "x86_64") => Some(&CPU_LINUX_X86_64),
        (false, "linux", "aarch64") => Some(&CPU_LINUX_ARM64),
        (false, "macos", "aarch64") => Some(&CPU_MACOS_ARM64),
        (true, "linux", "x86_64") => Some(&CUDA_LINUX_X86_64),
        (true, "linux", "aarch64") => Some(&CUDA_LINUX_ARM64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::pins::LIBTORCH;
    use super::*;
    use crate::download::Artifact;

    #[test]
    fn every_pin_is_a_sum_of_this_release() {
        let machines = [("linux", "x86_64"), ("linux", "aarch64"), ("macos", "aarch64")];
        let sets =
            machines.iter().flat_map(|(os, arch)| [set(false, os, arch), set(true, os, arch)]);
        let sets: Vec<_> = sets.flatten().collect();
        assert_eq!(sets.len(), 5, "macOS has no CUDA");
        for set in sets {
            assert!(set.name.starts_with(&format!("libtorch-{LIBTORCH}-")), "{}", set.name);
            for wheel in set.wheels {
                let Artifact { file, sha256, version, .. } = wheel.artifact;
                let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
                assert!(sha256.len() == 64 && sha256.chars().all(hex), "{file}");
                assert!(file.contains(version) && file.ends_with(".whl"), "{file}");
                let (name, arch) =
                    (set.name, if set.name.contains("x86") { "x86_64" } else { "64" });
                assert!(file.contains(arch), "{file} in {name}");
            }
        }
    }
}
