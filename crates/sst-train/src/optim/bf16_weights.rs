//! The bf16 weights of a parameter, as an optimiser sees them.

use tch::Tensor;

/// The bf16 weights of a parameter. An update writes them as well.
#[derive(Debug)]
pub struct Bf16Weights {
    /// The weights in bf16, in the shape of the parameter.
    pub weights: Tensor,
    /// The int16 remainder, in the shape of the parameter. If there is one, `weights` and the remainder together are
    /// the fp32 parameter, which has no storage of its own ([`sst_kernels::split_bf16_remainder`]). `None` if the fp32
    /// parameter is stored.
    pub remainder: Option<Tensor>,
}
