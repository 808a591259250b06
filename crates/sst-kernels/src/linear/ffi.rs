//! The C interface of `cpp/linear.cc`.

use std::ffi::{c_char, c_int};

use torch_sys::C_tensor;

/// Computes up to two tensors from up to three. The arguments are the kind of product, its options, the tensors, and
/// pointers for the results and for an error message.
pub(super) type LinearProduct = unsafe extern "C" fn(
    c_int,
    c_int,
    *const *const C_tensor,
    *mut *mut C_tensor,
    *mut c_char,
    usize,
) -> c_int;

unsafe extern "C" {
    pub(super) fn sst_linear(
        x: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        options: c_int,
        body: LinearProduct,
        y: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_mlp(
        x: *const C_tensor,
        up: *const C_tensor,
        up_bias: *const C_tensor,
        down: *const C_tensor,
        down_bias: *const C_tensor,
        options: c_int,
        body: LinearProduct,
        y: *mut *mut C_tensor,
    ) -> c_int;
}
