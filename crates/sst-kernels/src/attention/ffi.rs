//! The C interface of `cpp/attention.cc`.

use std::ffi::{c_int, c_void};

use torch_sys::C_tensor;

use super::problem::AttentionProblem;

/// The function that each thread of the attention calls, with the problem, the shared counter of tasks, and 1 for the
/// backward pass.
pub(super) type AttentionRun = unsafe extern "C" fn(*const AttentionProblem, *const c_void, c_int);

/// The rows and the options of an attention, without its tensors.
#[repr(C)]
pub(super) struct AttentionRows {
    /// The index of the first query of each row, then the number of queries: `rows + 1` numbers.
    pub(super) offsets: *const i64,
    /// The range of keys of each row: two numbers for each.
    pub(super) keys: *const [i64; 2],
    pub(super) rows: usize,
    pub(super) heads: i64,
    pub(super) kv_heads: i64,
    pub(super) scale: f64,
    pub(super) dropout: f64,
    pub(super) causal: c_int,
    pub(super) run: AttentionRun,
}

unsafe extern "C" {
    pub(super) fn sst_ragged_attention(
        query: *const C_tensor,
        key: *const C_tensor,
        value: *const C_tensor,
        rows: *const AttentionRows,
        out: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_joint_attention(
        joint: *const C_tensor,
        rows: *const AttentionRows,
        out: *mut *mut C_tensor,
    ) -> c_int;
}
