//! The C interface of `cpp/embedding.cc`.

use std::ffi::c_int;

use torch_sys::C_tensor;

use super::kernel::EmbeddingProblem;

/// Runs one pass of the sum of embeddings; the second argument is 1 for the backward pass.
pub(super) type EmbeddingRun = unsafe extern "C" fn(*const EmbeddingProblem, c_int) -> c_int;

unsafe extern "C" {
    pub(super) fn sst_embedding(
        n: usize,
        weights: *const *const C_tensor,
        ids: *const *const C_tensor,
        paddings: *const i64,
        run: EmbeddingRun,
        y: *mut *mut C_tensor,
    ) -> c_int;
}
