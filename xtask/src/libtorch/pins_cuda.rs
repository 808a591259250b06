//! The CUDA 13.0 sets: the whole libtorch of the wheel, with the NVIDIA libraries it asks for.
//!
//! They keep the layout of `site-packages`, which the libraries' own search paths rely on. That
//! needs no Python at run time, and every file is pinned, so no virtual environment is made.

use super::pins::{
    Set, Wheel, cudart_linux_arm64, cudart_linux_x86_64, cupti_linux_arm64, cupti_linux_x86_64,
    torch_linux_arm64, torch_linux_x86_64,
};
use crate::archive::Take;
use crate::download::{Artifact, Registry};

/// Python sources, tests and programs are left out.
const TORCH: &[Take] = &[
    Take { from: "torch/include/", to: "torch/include/" },
    Take { from: "torch/lib/", to: "torch/lib/" },
    Take { from: "torch-2.11.0.dist-info/licenses/", to: "torch/licenses/" },
];
const NVIDIA: &[Take] = &[Take { from: "nvidia/", to: "nvidia/" }];

const fn nvidia(
    package: &'static str,
    version: &'static str,
    file: &'static str,
    sha256: &'static str,
) -> Wheel {
    let artifact = Artifact { registry: Registry::PyPi, package, version, file, sha256 };
    Wheel { artifact, takes: NVIDIA }
}

pub(super) static CUDA_LINUX_X86_64: Set = Set {
    name: "libtorch-2.11.0-cuda13-x86_64-linux",
    home: "torch",
    megabytes: 2512,
    linker_script: false,
    wheels: &[
        torch_linux_x86_64(TORCH),
        cudart_linux_x86_64(NVIDIA),
        cupti_linux_x86_64(NVIDIA),
        nvidia(
            "nvidia-cublas",
            "13.1.0.3",
            "nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_x86_64.whl",
            "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
        ),
        nvidia(
            "nvidia-cuda-nvrtc",
            "13.0.88",
            "nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
            "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
        ),
        nvidia(
            "nvidia-cudnn-cu13",
            "9.19.0.56",
            "nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_x86_64.whl",
            "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf",
        ),
        nvidia(
            "nvidia-cufft",
            "12.0.0.61",
            "nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
        ),
        nvidia(
            "nvidia-cufile",
            "1.15.1.6",
            "nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
        ),
        nvidia(
            "nvidia-curand",
            "10.4.0.35",
            "nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl",
            "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
        ),
        nvidia(
            "nvidia-cusolver",
            "12.0.4.66",
            "nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl",
            "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
        ),
        nvidia(
            "nvidia-cusparse",
            "12.6.3.3",
            "nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
        ),
        nvidia(
            "nvidia-cusparselt-cu13",
            "0.8.0",
            "nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_x86_64.whl",
            "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd",
        ),
        nvidia(
            "nvidia-nccl-cu13",
            "2.28.9",
            "nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_x86_64.whl",
            "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
        ),
        nvidia(
            "nvidia-nvjitlink",
            "13.0.88",
            "nvidia_nvjitlink-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl",
            "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
        ),
        nvidia(
            "nvidia-nvshmem-cu13",
            "3.4.5",
            "nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl",
            "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
        ),
        nvidia(
            "nvidia-nvtx",
            "13.0.85",
            "nvidia_nvtx-13.0.85-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl",
            "4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4",
        ),
    ],
};

pub(super) static CUDA_LINUX_ARM64: Set = Set {
    name: "libtorch-2.11.0-cuda13-aarch64-linux",
    home: "torch",
    megabytes: 2400,
    linker_script: false,
    wheels: &[
        torch_linux_arm64(TORCH),
        cudart_linux_arm64(NVIDIA),
        cupti_linux_arm64(NVIDIA),
        nvidia(
            "nvidia-cublas",
            "13.1.0.3",
            "nvidia_cublas-13.1.0.3-py3-none-manylinux_2_27_aarch64.whl",
            "c86fc7f7ae36d7528288c5d88098edcb7b02c633d262e7ddbb86b0ad91be5df2",
        ),
        nvidia(
            "nvidia-cuda-nvrtc",
            "13.0.88",
            "nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
            "d27f20a0ca67a4bb34268a5e951033496c5b74870b868bacd046b1b8e0c3267b",
        ),
        nvidia(
            "nvidia-cudnn-cu13",
            "9.19.0.56",
            "nvidia_cudnn_cu13-9.19.0.56-py3-none-manylinux_2_27_aarch64.whl",
            "6ed29ffaee1176c612daf442e4dd6cfeb6a0caa43ddcbeb59da94953030b1be4",
        ),
        nvidia(
            "nvidia-cufft",
            "12.0.0.61",
            "nvidia_cufft-12.0.0.61-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
            "2708c852ef8cd89d1d2068bdbece0aa188813a0c934db3779b9b1faa8442e5f5",
        ),
        nvidia(
            "nvidia-cufile",
            "1.15.1.6",
            "nvidia_cufile-1.15.1.6-py3-none-manylinux_2_27_aarch64.whl",
            "bdc0deedc61f548bddf7733bdc216456c2fdb101d020e1ab4b88d232d5e2f6d1",
        ),
        nvidia(
            "nvidia-curand",
            "10.4.0.35",
            "nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_aarch64.whl",
            "133df5a7509c3e292aaa2b477afd0194f06ce4ea24d714d616ff36439cee349a",
        ),
        nvidia(
            "nvidia-cusolver",
            "12.0.4.66",
            "nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_aarch64.whl",
            "02c2457eaa9e39de20f880f4bd8820e6a1cfb9f9a34f820eb12a155aa5bc92d2",
        ),
        nvidia(
            "nvidia-cusparse",
            "12.6.3.3",
            "nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
            "80bcc4662f23f1054ee334a15c72b8940402975e0eab63178fc7e670aa59472c",
        ),
        nvidia(
            "nvidia-cusparselt-cu13",
            "0.8.0",
            "nvidia_cusparselt_cu13-0.8.0-py3-none-manylinux2014_aarch64.whl",
            "400c6ed1cf6780fc6efedd64ec9f1345871767e6a1a0a552a1ea0578117ea77c",
        ),
        nvidia(
            "nvidia-nccl-cu13",
            "2.28.9",
            "nvidia_nccl_cu13-2.28.9-py3-none-manylinux_2_18_aarch64.whl",
            "01c873ba1626b54caa12272ed228dc5b2781545e0ae8ba3f432a8ef1c6d78643",
        ),
        nvidia(
            "nvidia-nvjitlink",
            "13.0.88",
            "nvidia_nvjitlink-13.0.88-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
            "e931536ccc7d467a98ba1d8b89ff7fa7f1fa3b13f2b0069118cd7f47bff07d0c",
        ),
        nvidia(
            "nvidia-nvshmem-cu13",
            "3.4.5",
            "nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
            "6dc2a197f38e5d0376ad52cd1a2a3617d3cdc150fd5966f4aee9bcebb1d68fe9",
        ),
        nvidia(
            "nvidia-nvtx",
            "13.0.85",
            "nvidia_nvtx-13.0.85-py3-none-manylinux2014_aarch64.manylinux_2_17_aarch64.whl",
            "cb7780edb6b14107373c835bf8b72e7a178bac7367e23da7acb108f973f157a6",
        ),
    ],
};
