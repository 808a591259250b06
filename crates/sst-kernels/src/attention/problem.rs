//! The structs that Rust and C++ share.

use std::ffi::c_void;

use crate::number::Kind;

/// Consecutive tokens that are `stride` numbers apart. The heads of a token are side by side.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Source {
    pub(super) data: *const c_void,
    pub(super) stride: usize,
}

/// The same layout for tokens that are written.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Target {
    pub(super) data: *mut c_void,
    pub(super) stride: usize,
}

/// The struct `SstAttention` of `cpp/attention.cc`, with the same fields. Tensors without a stride are contiguous.
/// Tensors of the other pass are null.
#[repr(C)]
pub(super) struct AttentionProblem {
    pub(super) query: Source,
    pub(super) key: Source,
    pub(super) value: Source,
    pub(super) out_grad: Source,
    pub(super) out: *mut c_void,
    pub(super) query_grad: Target,
    pub(super) key_grad: Target,
    pub(super) value_grad: Target,
    /// The log-sum-exps `[t, h]`; null if the backward pass does not need them.
    pub(super) log_sums: *mut f32,
    /// The index of the first query of each row, then the number of queries.
    pub(super) offsets: *const i64,
    /// The range of keys of each row, two numbers for each.
    pub(super) keys: *const i64,
    pub(super) rows: usize,
    pub(super) heads: usize,
    pub(super) kv_heads: usize,
    pub(super) width: usize,
    pub(super) seed: u64,
    pub(super) scale: f32,
    pub(super) dropout: f32,
    pub(super) kind: Kind,
    pub(super) causal: bool,
}
