//! The C interface of `cpp/optim.cc`.

use std::ffi::{c_int, c_void};

use torch_sys::C_tensor;

/// The struct `SstPlain` of `cpp/optim.cc`, with the same fields: the data pointer, the number of elements and the
/// type of a tensor.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Plain {
    pub(super) data: *mut c_void,
    pub(super) count: usize,
    pub(super) kind: c_int,
}

unsafe extern "C" {
    pub(super) fn sst_global_norm(
        n: usize,
        tensors: *const *const C_tensor,
        norm: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_plain(n: usize, tensors: *const *const C_tensor, plain: *mut Plain) -> c_int;
    pub(super) fn sst_fused_adamw(
        n: usize,
        params: *const *const C_tensor,
        grads: *const *const C_tensor,
        exp_avgs: *const *const C_tensor,
        exp_avg_sqs: *const *const C_tensor,
        steps: *const *const C_tensor,
        lr: f64,
        beta1: f64,
        beta2: f64,
        weight_decay: f64,
        eps: f64,
        grad_scale: *const C_tensor,
        found_inf: *const C_tensor,
    ) -> c_int;
}
