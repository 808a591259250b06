//! The C interface of `cpp/residual.cc`.

use std::ffi::{c_int, c_void};

use torch_sys::C_tensor;

use super::kernel::ResidualProblem;

/// The function that each thread calls, with the problem, the shared counter of tasks, and the pass.
pub(super) type ResidualRun = unsafe extern "C" fn(*const ResidualProblem, *const c_void, c_int);

unsafe extern "C" {
    pub(super) fn sst_residual_norm(
        x: *const C_tensor,
        residual: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        p: f64,
        eps: f64,
        run: ResidualRun,
        y: *mut *mut C_tensor,
        twin: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_add_norm(
        x: *const C_tensor,
        residual: *const C_tensor,
        weight: *const C_tensor,
        bias: *const C_tensor,
        p: f64,
        eps: f64,
        is_rms: c_int,
        is_bf16: c_int,
        run: ResidualRun,
        y: *mut *mut C_tensor,
        sum: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_dropout(
        x: *const C_tensor,
        p: f64,
        run: ResidualRun,
        y: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_fork(x: *const C_tensor, both: *mut *mut C_tensor) -> c_int;
}
