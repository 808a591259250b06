//! libtorch's fused AdamW kernel (CPU and CUDA).

use tch::Tensor;

use super::{check, ffi};
use crate::error::{Error, Result};

/// The hyper-parameters of one update (Loshchilov and Hutter 2019, "Decoupled Weight Decay
/// Regularization").
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamW {
    /// Learning rate of this step.
    pub lr: f64,
    /// Decay rates of the two moments.
    pub betas: (f64, f64),
    /// Added to the root of the second moment.
    pub eps: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

/// The tensors of one parameter group, in one order.
#[derive(Debug, Default)]
pub struct AdamWTensors<'a> {
    /// The parameters.
    pub params: Vec<&'a Tensor>,
    /// Their gradients.
    pub grads: Vec<&'a Tensor>,
    /// First moments.
    pub exp_avgs: Vec<&'a Tensor>,
    /// Second moments.
    pub exp_avg_sqs: Vec<&'a Tensor>,
    /// Updates done, one fp32 scalar a parameter; the kernel does not advance them.
    pub steps: Vec<&'a Tensor>,
}

/// One update in place. Gradients are divided by `grad_scale` first; where `found_inf` is 1 nothing
/// changes, without the host having to look.
///
/// # Errors
/// If the lists differ in length, or libtorch fails.
pub fn fused_adamw(
    tensors: &AdamWTensors<'_>,
    options: AdamW,
    grad_scale: Option<&Tensor>,
    found_inf: Option<&Tensor>,
) -> Result<()> {
    let n = tensors.params.len();
    let lists = [&tensors.grads, &tensors.exp_avgs, &tensors.exp_avg_sqs, &tensors.steps];
    if lists.iter().any(|list| list.len() != n) {
        return Err(Error::Contract("fused_adamw needs lists of one length".into()));
    }
    if n == 0 {
        return Ok(());
    }
    let params = ffi::pointers(tensors.params.iter().copied());
    let [grads, exp_avgs, exp_avg_sqs, steps] =
        lists.map(|list| ffi::pointers(list.iter().copied()));
    let pointer = |tensor: Option<&Tensor>| tensor.map_or(std::ptr::null(), Tensor::as_ptr);
    // SAFETY: five lists of `n` pointers to live tensors and two that may be null; none is kept.
    let code = unsafe {
        ffi::sst_fused_adamw(
            n,
            params.as_ptr(),
            grads.as_ptr(),
            exp_avgs.as_ptr(),
            exp_avg_sqs.as_ptr(),
            steps.as_ptr(),
            options.lr,
            options.betas.0,
            options.betas.1,
            options.weight_decay,
            options.eps,
            pointer(grad_scale),
            pointer(found_inf),
        )
    };
    Ok(check(code)?)
}
