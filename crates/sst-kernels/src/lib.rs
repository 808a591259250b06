//! The kernels of sst for the CPU, and the functions of libtorch that tch does not bind, behind a safe interface.
//!
//! ```
//! use sst_kernels::{RaggedAttention, ragged_attention};
//! use tch::{Device, Kind, Tensor};
//!
//! # fn main() -> sst_kernels::Result<()> {
//! // Two rows, of 3 and of 5 tokens, one after the other without padding; 2 heads of width 16.
//! let offsets = [0, 3, 8];
//! let [query, key, value] = [0, 1, 2].map(|_| Tensor::randn([8, 32], (Kind::Float, Device::Cpu)));
//! let options = RaggedAttention {
//!     num_heads: 2,
//!     num_kv_heads: 2,
//!     scale: 0.25,
//!     dropout: 0.0,
//!     causal: true,
//! };
//! let context = ragged_attention([&query, &key, &value], &offsets, options)?;
//! assert_eq!(context.size(), [8, 32]);
//! # Ok(())
//! # }
//! ```
//!
//! The kernels are fused operations that libtorch does not have, or has only for padded batches: attention over rows of
//! unequal length ([`ragged_attention`]), linear layers and whole MLPs ([`fast_linear`], [`fast_mlp`]), dropout, the
//! residual connection and LayerNorm or RMSNorm in one pass ([`residual_norm`], [`add_norm`]), sums of embeddings
//! ([`embedding_sum`]), cross-entropy ([`cross_entropy`]) and AdamW ([`fused_adamw`]). They take and return tensors of
//! tch, are differentiable, and are compiled for each instruction set in [`CpuLevel`]; the environment variable `SST_CPU`
//! selects a lower one. A function such as [`has_linear_kernel`] says whether a kernel takes the tensors; where it does not,
//! the caller uses libtorch's operators.
//!
//! From libtorch come, among others, [`autocast`], activation checkpointing ([`checkpoint()`]), the profiler
//! ([`Profiler`]) and gradients that are known before the backward pass ([`with_gradients`]).
//!
//! This crate holds the only `unsafe` of the project. It knows neither models nor data. Its C++ side is in `cpp/`; every
//! function there catches its exceptions and returns them as errors.
#![allow(unsafe_code)]

mod amp;
mod attention;
mod autocast;
mod bytes;
mod checkpoint;
mod cpu;
mod cross_entropy;
mod device;
mod embedding;
mod error;
mod exit;
mod ffi;
mod grad;
mod joint;
mod linear;
mod memory;
mod number;
mod optim;
mod panics;
mod parallel;
mod profile;
mod random;
mod residual;
mod simd;

pub use amp::unscale;
pub use attention::{
    RaggedAttention, joint_attention, ragged_attention, ragged_cross_attention, row_spans,
};
pub use autocast::{Autocast, autocast, clear_autocast_cache, product_kind};
pub use bytes::bytes_of;
pub use checkpoint::{checkpoint, checkpoint_all};
pub use cpu::{CPU_LEVEL_VARIABLE, CpuLevel, library_variables};
pub use cross_entropy::{CrossEntropy, CrossEntropySums, cross_entropy, has_cross_entropy_kernel};
pub use device::{cuda_capability, load_cuda};
pub use embedding::{Lookup, embedding_sum};
pub use error::{Error, Result, without_stack};
pub use exit::exit_at_once;
pub use grad::{grad_enabled, move_gradients, reset_gradients, with_gradients};
pub use joint::joint;
#[cfg(target_arch = "x86_64")]
#[doc(hidden)]
pub use linear::multiply_in_registers;
pub use linear::{
    Affine, FusedActivation, KeepWeights, WeightLayout, fast_activated_linear, fast_linear,
    fast_mlp, has_linear_kernel, has_mlp_kernel, keep_weights, takes_any_rows,
};
#[doc(hidden)]
pub use linear::{Unit, forbid_unit};
pub use memory::{
    DeviceMemory, allow_tf32, device_memory, empty_cache, keep_freed_memory, tf32_allowed,
};
pub use optim::{
    AdamW, AdamWTensors, fused_adamw, global_norm, join_bf16_remainder, split_bf16_remainder,
};
pub use profile::{OperatorEvent, Profiler};
pub use residual::{Norm, add_norm, fast_dropout, fork, has_residual_kernel, norm, residual_norm};
