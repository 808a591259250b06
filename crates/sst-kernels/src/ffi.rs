//! The C interface of `cpp/`.

use std::ffi::{c_char, c_int, c_void};

use torch_sys::C_tensor;

use super::attention::Task;
use super::{embedding, optim, residual};

/// The body that each thread of the attention runs: the problem, the counter of tasks, and whether this
/// is the backward pass.
pub(super) type AttentionRun = unsafe extern "C" fn(*const Task, *const c_void, c_int);

/// What is attended, but for the tensors.
#[repr(C)]
pub(super) struct AttentionRows {
    /// The first query of each row, and the end of the last: `rows + 1` numbers.
    pub(super) offsets: *const i64,
    /// The first key of each row and the end of its keys: two numbers a row.
    pub(super) keys: *const [i64; 2],
    pub(super) rows: usize,
    pub(super) heads: i64,
    pub(super) kv_heads: i64,
    pub(super) scale: f64,
    pub(super) dropout: f64,
    pub(super) causal: c_int,
    pub(super) run: AttentionRun,
}

/// Runs a checkpointed closure: itself, its inputs, and where to put its outputs or a message.
pub(super) type CheckpointCall = unsafe extern "C" fn(
    *mut c_void,
    usize,
    *const *const C_tensor,
    usize,
    *mut *mut C_tensor,
    *mut c_char,
    usize,
) -> c_int;

/// Takes an operator that was recorded: the context, its name, the shapes of its inputs, its thread, start and
/// duration, and whether it ran on an accelerator.
pub(super) type ProfileTell =
    unsafe extern "C" fn(*mut c_void, *const c_char, *const c_char, u64, u64, u64, c_int);

/// The body that each thread of dropout, residual and norm runs, as [`AttentionRun`].
pub(super) type ResidualRun = unsafe extern "C" fn(*const residual::Task, *const c_void, c_int);

/// One pass of the sum of embeddings: whether it is the backward one.
pub(super) type EmbeddingRun = unsafe extern "C" fn(*const embedding::Task, c_int) -> c_int;

/// Makes up to two tensors of up to three: what and how, the tensors, and where to put those made or a message.
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
    pub(super) fn sst_profile_start(cuda: c_int) -> c_int;
    pub(super) fn sst_profile_stop(
        trace: *const c_char,
        context: *mut c_void,
        tell: Option<ProfileTell>,
    ) -> c_int;
    pub(super) fn sst_checkpoint(
        n: usize,
        inputs: *const *const C_tensor,
        body: *mut c_void,
        call: CheckpointCall,
        free: unsafe extern "C" fn(*mut c_void),
        m: usize,
        outputs: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_twice(x: *const C_tensor, both: *mut *mut C_tensor) -> c_int;
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
    pub(super) fn sst_joint(
        a: *const C_tensor,
        b: *const C_tensor,
        c: *const C_tensor,
        joint: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_keep_freed_memory() -> c_int;
    pub(super) fn sst_last_error() -> *const c_char;
    pub(super) fn sst_load_cuda(found: *mut c_int) -> c_int;
    pub(super) fn sst_cuda_capability(device: c_int, major: *mut c_int) -> c_int;
    pub(super) fn sst_autocast_state(cuda: c_int, enabled: *mut c_int, dtype: *mut i8) -> c_int;
    pub(super) fn sst_autocast_enter(
        cuda: c_int,
        enabled: c_int,
        dtype: i8,
        before_enabled: *mut c_int,
        before_dtype: *mut i8,
    ) -> c_int;
    pub(super) fn sst_autocast_leave(cuda: c_int, before_enabled: c_int, before_dtype: i8)
    -> c_int;
    pub(super) fn sst_autocast_clear() -> c_int;
    pub(super) fn sst_amp_unscale(
        n: usize,
        grads: *const *const C_tensor,
        found_inf: *const C_tensor,
        inv_scale: *const C_tensor,
    ) -> c_int;
    pub(super) fn sst_device_memory(device: c_int, now: *mut i64, peak: *mut i64) -> c_int;
    pub(super) fn sst_empty_cache() -> c_int;
    pub(super) fn sst_allow_tf32(allow: c_int) -> c_int;
    pub(super) fn sst_tf32_allowed(allowed: *mut c_int) -> c_int;
    pub(super) fn sst_with_gradients(
        value: *const C_tensor,
        n: usize,
        inputs: *const *const C_tensor,
        gradients: *const *const C_tensor,
        result: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_grad_move(
        n: usize,
        from: *const *const C_tensor,
        to: *const *const C_tensor,
        keep_type: c_int,
    ) -> c_int;
    pub(super) fn sst_parallel(
        name: *const c_char,
        count: usize,
        context: *mut c_void,
        body: unsafe extern "C" fn(*mut c_void, usize),
    ) -> c_int;
    pub(super) fn sst_grad_enabled(enabled: *mut c_int) -> c_int;
    pub(super) fn sst_grad_reset(n: usize, params: *const *const C_tensor) -> c_int;
    pub(super) fn sst_global_norm(
        n: usize,
        tensors: *const *const C_tensor,
        norm: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_embedding(
        n: usize,
        weights: *const *const C_tensor,
        ids: *const *const C_tensor,
        paddings: *const i64,
        run: EmbeddingRun,
        y: *mut *mut C_tensor,
    ) -> c_int;
    pub(super) fn sst_plain(
        n: usize,
        tensors: *const *const C_tensor,
        plain: *mut optim::Plain,
    ) -> c_int;
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

/// The pointers of `tensors`, for a call that does not keep them.
pub(super) fn pointers<'a>(
    tensors: impl IntoIterator<Item = &'a tch::Tensor>,
) -> Vec<*const C_tensor> {
    tensors.into_iter().map(tch::Tensor::as_ptr).collect()
}
