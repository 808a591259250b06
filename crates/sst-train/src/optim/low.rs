//! Parameters that are kept in bf16.

use tch::Tensor;

/// A parameter in bf16, beside that in fp32 or instead of it.
#[derive(Debug)]
pub struct LowWeights {
    /// Its numbers, rounded.
    pub weights: Tensor,
    /// What these lack, where there is no other parameter in fp32 ([`sst_kernels::split_bf16_remainder`]). For AdamW on the CPU.
    pub rest: Option<Tensor>,
}
