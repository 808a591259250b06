//! Attention on the CPU over rows of unequal length, stored one after the other without padding.
//!
//! libtorch's fused kernel needs rows of equal length, and its backward pass is slow for short rows. This kernel takes the
//! rows as they are. The autograd node and the threads are in `cpp/attention.cc`.

mod ffi;
mod kernel;
mod lines;
#[cfg(target_arch = "x86_64")]
mod pairs;
mod place;
mod problem;
mod product;
mod query_lanes;
mod run;
mod scratch;

use std::ffi::c_int;

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::ffi::check;

/// The options of [`ragged_attention`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RaggedAttention {
    /// h: the number of heads of the queries.
    pub num_heads: i64,
    /// h': the number of heads of keys and values. Each is shared by `num_heads / num_kv_heads` heads of the queries
    /// (Ainslie et al. 2023, "GQA").
    pub num_kv_heads: i64,
    /// The factor of the scores, usually `1 / sqrt(e)` for heads of width e.
    pub scale: f64,
    /// The probability of dropout on the attention probabilities, which libtorch's generator draws.
    pub dropout: f64,
    /// Whether a token attends only to itself and to the tokens before it.
    pub causal: bool,
}

/// Softmax attention (Vaswani et al. 2017, equation 1), in which every row attends to itself.
///
/// Queries are `[t, h e]`, keys and values `[t, h' e]`, fp32 or bf16. Row `i` is the tokens `offsets[i]..offsets[i + 1]`.
/// Returns `[t, h e]`, with zeros for tokens after the last row. Sums are accumulated in fp32. Differentiable once.
///
/// # Errors
/// If shapes or types do not fit, the offsets do not start at 0, fall, or end after t, a tensor is not on the
/// CPU, or libtorch fails.
pub fn ragged_attention(
    tensors: [&Tensor; 3],
    offsets: &[i64],
    options: RaggedAttention,
) -> Result<Tensor> {
    ragged_cross_attention(tensors, offsets, &row_spans(offsets), options)
}

/// The range of tokens of each row, from the offsets of all rows. They are the `keys` of [`ragged_cross_attention`]
/// if each row attends to itself.
pub fn row_spans(offsets: &[i64]) -> Vec<[i64; 2]> {
    offsets.windows(2).map(|pair| [pair[0], pair[1]]).collect()
}

/// [`ragged_attention`] with fewer queries than keys: row `i` has the queries `offsets[i]..offsets[i + 1]` of `[n, h e]`, and
/// the keys and values `keys[i][0]..keys[i][1]` of `[t, h' e]`. With `causal`, the queries belong to the last tokens of
/// their row. Returns `[n, h e]`.
///
/// # Errors
/// As for [`ragged_attention`]; also if the key ranges of rows overlap, are out of order or out of range, or have
/// fewer keys than their queries need.
pub fn ragged_cross_attention(
    [query, key, value]: [&Tensor; 3],
    offsets: &[i64],
    keys: &[[i64; 2]],
    options: RaggedAttention,
) -> Result<Tensor> {
    check_tensors(&[query, key, value])?;
    let heads = options.heads()?;
    let (queries, width) = query.size2()?;
    if width % heads[0] != 0 {
        return broken("the width must be a multiple of the number of heads");
    }
    let expected = [key.size()[0], width / heads[0] * heads[1]];
    if key.size() != expected || value.size() != expected {
        return broken("keys and values must have one shape and the width of their heads");
    }
    check_offsets(offsets, queries)?;
    check_keys(offsets, keys, expected[0], options.causal)?;
    let rows = options.rows(offsets, keys);
    let mut out = std::ptr::null_mut();
    // SAFETY: three live tensors whose sizes were checked, rows that fit them, and a writable place; the
    // bridge keeps copies of the tensors and of the rows.
    check(unsafe {
        ffi::sst_ragged_attention(
            query.as_ptr(),
            key.as_ptr(),
            value.as_ptr(),
            &raw const rows,
            &raw mut out,
        )
    })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(out) })
}

/// [`ragged_attention`] for queries, keys and values that are side by side in one tensor `[t, (h + 2 h') e]`, the
/// output of a joint projection.
///
/// # Errors
/// As for [`ragged_attention`].
pub fn joint_attention(
    joint: &Tensor,
    offsets: &[i64],
    options: RaggedAttention,
) -> Result<Tensor> {
    check_tensors(&[joint])?;
    let heads = options.heads()?;
    let (tokens, width) = joint.size2()?;
    if width % (heads[0] + 2 * heads[1]) != 0 {
        return broken("the width must be a multiple of the number of query, key and value heads");
    }
    check_offsets(offsets, tokens)?;
    let keys = row_spans(offsets);
    let rows = options.rows(offsets, &keys);
    let mut out = std::ptr::null_mut();
    // SAFETY: as in `ragged_cross_attention`.
    check(unsafe { ffi::sst_joint_attention(joint.as_ptr(), &raw const rows, &raw mut out) })?;
    // SAFETY: on success the bridge hands over a new tensor that nothing else owns.
    Ok(unsafe { Tensor::from_ptr(out) })
}

impl RaggedAttention {
    /// The numbers of query heads and of key and value heads, after a check of the options.
    fn heads(&self) -> Result<[i64; 2]> {
        let (heads, kv_heads) = (self.num_heads, self.num_kv_heads);
        if heads < 1 || kv_heads < 1 || heads % kv_heads != 0 {
            return broken(
                "the number of query heads must be a multiple of the number of key heads",
            );
        }
        if !(0.0..1.0).contains(&self.dropout) {
            return broken("dropout must be at least 0 and below 1");
        }
        Ok([heads, kv_heads])
    }

    fn rows(&self, offsets: &[i64], keys: &[[i64; 2]]) -> ffi::AttentionRows {
        ffi::AttentionRows {
            offsets: offsets.as_ptr(),
            keys: keys.as_ptr(),
            rows: keys.len(),
            heads: self.num_heads,
            kv_heads: self.num_kv_heads,
            scale: self.scale,
            dropout: self.dropout,
            causal: c_int::from(self.causal),
            run: run::run,
        }
    }
}

fn broken<T>(what: &str) -> Result<T> {
    Err(Error::Contract(format!("ragged attention: {what}")))
}

fn check_tensors(tensors: &[&Tensor]) -> Result<()> {
    let kind = tensors[0].f_kind()?;
    if !matches!(kind, Kind::Float | Kind::BFloat16) {
        return broken("fp32 or bf16 is needed");
    }
    for tensor in tensors {
        if tensor.device() != Device::Cpu || tensor.f_kind()? != kind || tensor.dim() != 2 {
            return broken("matrices of one type on the CPU are needed");
        }
    }
    Ok(())
}

fn check_offsets(offsets: &[i64], tokens: i64) -> Result<()> {
    let rises = offsets.windows(2).all(|pair| pair[0] <= pair[1]);
    if offsets.first() != Some(&0) || offsets.last() > Some(&tokens) || !rises {
        return broken(
            "offsets must start at 0, not decrease, and not exceed the number of tokens",
        );
    }
    Ok(())
}

fn check_keys(offsets: &[i64], keys: &[[i64; 2]], tokens: i64, causal: bool) -> Result<()> {
    if keys.len() + 1 != offsets.len() {
        return broken("each row of queries needs its keys");
    }
    let mut last = 0;
    for (pair, &[start, end]) in offsets.windows(2).zip(keys) {
        let queries = pair[1] - pair[0];
        if start < last || end < start || end > tokens {
            return broken("the keys of the rows must be inside the tensor, and in order");
        }
        let needed = if causal { queries } else { queries.min(1) };
        if end - start < needed {
            return broken("a row has fewer keys than its queries need");
        }
        last = end;
    }
    Ok(())
}
