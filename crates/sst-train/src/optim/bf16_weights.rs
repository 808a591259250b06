//! Weights in bf16.

use tch::Tensor;

/// A parameter in bf16, beside its fp32 weights or in place of them.
#[derive(Debug)]
pub struct Bf16Weights {
    /// The bf16 weights: rounded from fp32, or the bf16 high part of the value.
    pub weights: Tensor,
    /// The int16 remainder, if no fp32 weights are kept ([`sst_kernels::split_bf16_remainder`]). For AdamW on the CPU.
    pub rest: Option<Tensor>,
}
