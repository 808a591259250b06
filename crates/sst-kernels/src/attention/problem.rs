//! The problem as both sides of the bridge see it.

use std::ffi::c_void;

use crate::number::Kind;

/// Tokens one after the other, `stride` numbers apart, all heads of a token side by side.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Source {
    pub(super) data: *const c_void,
    pub(super) stride: usize,
}

/// Where such tokens are written.
#[derive(Clone, Copy)]
#[repr(C)]
pub(super) struct Target {
    pub(super) data: *mut c_void,
    pub(super) stride: usize,
}

/// `SstAttention` of `cpp/attention.cc`, field by field. Tensors without a stride are contiguous; those
/// of the other pass are null.
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
    /// `[t, h]`; null where they are not kept.
    pub(super) log_sums: *mut f32,
    /// The first query of each row, and the end of the last.
    pub(super) offsets: *const i64,
    /// The first key of each row, and the end of its keys.
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
