//! Attention over rows of unequal length that lie one after the other, without padding, on the CPU.
//!
//! libtorch's fused kernel wants rows of one length, and its backward pass is slow for short ones. This
//! one takes the rows as they are. The graph and the threads are in `cpp/attention.cc`.

mod kernel;
mod product;
mod simd;
mod task;

use std::ffi::c_int;

pub(super) use task::Task;
use tch::{Device, Kind, Tensor};

use super::{check, ffi};
use crate::error::{Error, Result};

/// How [`ragged_attention`] attends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RaggedAttention {
    /// h: heads of the queries.
    pub num_heads: i64,
    /// Heads of keys and values; each serves `num_heads / num_kv_heads` of the queries' (Ainslie et al.
    /// 2023, "GQA").
    pub num_kv_heads: i64,
    /// What scores are multiplied by, usually one over the root of a head's width.
    pub scale: f64,
    /// Dropout on the probabilities, drawn from libtorch's generator.
    pub dropout: f64,
    /// Whether a token sees none after itself.
    pub causal: bool,
}

/// Softmax attention (Vaswani et al. 2017, equation 1) of every row with itself.
///
/// Queries are `[t, h e]`, keys and values `[t, h' e]`, fp32 or bf16, all rows one after the other; row
/// `i` is the tokens `offsets[i]..offsets[i + 1]`. Returns `[t, h e]`. Differentiable once; sums are fp32.
///
/// # Errors
/// If shapes or types do not fit, the offsets do not start at 0, fall, or do not end at t, a tensor is not
/// on the CPU, or libtorch fails.
pub fn ragged_attention(
    [query, key, value]: [&Tensor; 3],
    offsets: &[i64],
    options: RaggedAttention,
) -> Result<Tensor> {
    check_problem([query, key, value], offsets, options)?;
    let mut out = std::ptr::null_mut();
    let run: ffi::AttentionRun = task::run;
    // SAFETY: three live tensors whose sizes were checked, `rows + 1` offsets, and a writable place; the
    // bridge keeps copies of the tensors and of the offsets. `run` gets the struct that it expects.
    check(unsafe {
        ffi::sst_ragged_attention(
            query.as_ptr(),
            key.as_ptr(),
            value.as_ptr(),
            offsets.as_ptr(),
            offsets.len() - 1,
            options.num_heads,
            options.num_kv_heads,
            options.scale,
            options.dropout,
            c_int::from(options.causal),
            run,
            &raw mut out,
        )
    })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(out) })
}

fn check_problem(tensors: [&Tensor; 3], offsets: &[i64], options: RaggedAttention) -> Result<()> {
    let broken = |what: &str| Err(Error::Contract(format!("ragged attention: {what}")));
    let [query, key, value] = tensors;
    let kind = query.f_kind()?;
    if !matches!(kind, Kind::Float | Kind::BFloat16) {
        return broken("fp32 or bf16 is needed");
    }
    for tensor in tensors {
        if tensor.device() != Device::Cpu || tensor.f_kind()? != kind || tensor.dim() != 2 {
            return broken("three matrices of one type on the CPU are needed");
        }
    }
    let (heads, kv_heads) = (options.num_heads, options.num_kv_heads);
    let (tokens, width) = query.size2()?;
    if heads < 1 || kv_heads < 1 || heads % kv_heads != 0 || width % heads != 0 {
        return broken(
            "the width must divide into the heads, and the heads into those of the keys",
        );
    }
    let expected = [tokens, width / heads * kv_heads];
    if key.size() != expected || value.size() != expected {
        return broken("keys and values must have the queries' tokens and their heads' width");
    }
    let rises = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    if offsets.first() != Some(&0) || offsets.last() != Some(&tokens) || !rises {
        return broken("offsets must start at 0, not fall, and end at the number of tokens");
    }
    if !(0.0..1.0).contains(&options.dropout) {
        return broken("dropout must be at least 0 and below 1");
    }
    Ok(())
}
