//! Multi-head attention (Vaswani et al. 2017). The CPU kernel of sst takes ragged rows; elsewhere libtorch's fused
//! attention runs, or the eager formula if the probabilities are wanted.

use sst_kernels::{
    RaggedAttention, joint_attention, product_kind, ragged_attention, ragged_cross_attention,
    row_spans,
};
use tch::{Device, Kind, Tensor};

use super::layers::dropout;
use crate::error::{Error, Result};
use crate::ragged::RaggedRows;

/// The settings of an attention.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// h, the number of query heads.
    pub num_heads: i64,
    /// h', the number of key and value heads; each serves `h / h'` query heads (Ainslie et al. 2023, "GQA").
    pub num_kv_heads: i64,
    /// The factor of the scores; `None` for one over the square root of a head's width.
    pub scale: Option<f64>,
    /// Whether a token attends only to itself and earlier tokens.
    pub causal: bool,
    /// The dropout probability of the attention probabilities in training.
    pub dropout: f64,
}

/// The layout of the rows of queries, keys and values.
#[derive(Debug, Clone, Copy)]
pub enum Rows<'a> {
    /// `[b, l, d]`. The mask is true where a key may be attended to, and broadcasts to `[b, h, l, l]`.
    Padded {
        /// `None` where every key may be attended to.
        mask: Option<&'a Tensor>,
    },
    /// `[t, d]`, one row after the other.
    Ragged(&'a RaggedRows),
}

/// [`Rows`] that own their tensors.
#[derive(Debug)]
pub enum OwnedRows {
    /// As [`Rows::Padded`].
    Padded(Option<Tensor>),
    /// As [`Rows::Ragged`].
    Ragged(RaggedRows),
}

impl Rows<'_> {
    /// Second handles on the same tensors, which may outlive these.
    pub fn to_owned(self) -> OwnedRows {
        match self {
            Self::Padded { mask } => OwnedRows::Padded(mask.map(Tensor::shallow_clone)),
            Self::Ragged(rows) => OwnedRows::Ragged(rows.clone()),
        }
    }
}

impl OwnedRows {
    /// Borrows the rows.
    pub fn as_rows(&self) -> Rows<'_> {
        match self {
            Self::Padded(mask) => Rows::Padded { mask: mask.as_ref() },
            Self::Ragged(rows) => Rows::Ragged(rows),
        }
    }
}

/// The result of an attention, with its probabilities if they are wanted.
#[derive(Debug)]
pub struct AttentionOutput {
    /// The weighted sums of the values, in the shape of the queries.
    pub context: Tensor,
    /// The probabilities `[b, h, l, l]`. Those of ragged rows are padded.
    pub probabilities: Option<Tensor>,
}

impl Attention {
    /// An attention in which every token attends to its whole row, with as many key and value heads as query heads.
    pub fn bidirectional(num_heads: i64, dropout: f64) -> Self {
        Self { num_heads, num_kv_heads: num_heads, scale: None, causal: false, dropout }
    }

    /// Attends within each row. The projected queries have width `h e`, the keys and values width `h' e`.
    ///
    /// # Errors
    /// If a width is not a multiple of the number of heads, or libtorch fails.
    pub fn forward(
        &self,
        [query, key, value]: [&Tensor; 3],
        rows: Rows<'_>,
        train: bool,
        want_probabilities: bool,
    ) -> Result<AttentionOutput> {
        match rows {
            Rows::Ragged(rows) if has_attention_kernel(query)? && !want_probabilities => {
                let context = self.kernel([query, key, value], rows.offsets(), train)?;
                Ok(AttentionOutput { context, probabilities: None })
            }
            // Without the kernel, rows are padded for the attention and unpadded after it.
            Rows::Ragged(rows) => {
                let after = query.size()[0] - rows.num_tokens();
                let mask = rows.mask()?.f_unsqueeze(1)?.f_unsqueeze(1)?;
                let [query, key, value] = [rows.pad(query)?, rows.pad(key)?, rows.pad(value)?];
                let padded = Rows::Padded { mask: Some(&mask) };
                let output =
                    self.forward([&query, &key, &value], padded, train, want_probabilities)?;
                let context = rows.unpad(&output.context)?;
                // Rows of the result that belong to no token are zero, as those of the kernel.
                let context = context.f_constant_pad_nd([0, 0, 0, after])?;
                Ok(AttentionOutput { context, ..output })
            }
            Rows::Padded { mask: None } if has_attention_kernel(query)? && !want_probabilities => {
                let (rows, length, _) = query.size3()?;
                let offsets: Vec<i64> = (0..=rows).map(|row| row * length).collect();
                let [q, k, v] = [query, key, value].map(|x| x.f_flatten(0, 1));
                let context = self.kernel([&q?, &k?, &v?], &offsets, train)?;
                let context = context.f_reshape(query.size())?;
                Ok(AttentionOutput { context, probabilities: None })
            }
            Rows::Padded { mask } => {
                self.padded([query, key, value], mask, train, want_probabilities)
            }
        }
    }

    /// [`Attention::forward`] for padded rows, with libtorch. If there are fewer queries than keys in a causal
    /// attention, the queries are those of the last tokens.
    pub(super) fn padded(
        &self,
        [query, key, value]: [&Tensor; 3],
        mask: Option<&Tensor>,
        train: bool,
        want_probabilities: bool,
    ) -> Result<AttentionOutput> {
        let query = split(query, self.num_heads)?;
        let [key, value] = [split(key, self.num_kv_heads)?, split(value, self.num_kv_heads)?];
        let is_square = query.size()[2] == key.size()[2];
        let mask = match mask {
            _ if !self.causal => mask.map(Tensor::shallow_clone),
            // libtorch's own causal mask needs no tensor.
            None if is_square && !want_probabilities => None,
            mask => Some(causal_mask(&query, &key, mask)?),
        };
        let (context, probabilities) = if want_probabilities {
            let (context, probabilities) =
                self.eager([&query, &key, &value], mask.as_ref(), train)?;
            (context, Some(probabilities))
        } else {
            let p = if train { self.dropout } else { 0.0 };
            let (is_causal, is_shared) = (self.causal && mask.is_none(), self.is_shared());
            let context = Tensor::f_scaled_dot_product_attention(
                &query, &key, &value, mask, p, is_causal, self.scale, is_shared,
            )?;
            (context, None)
        };
        let context = context.f_transpose(1, 2)?.f_contiguous()?.f_flatten(2, 3)?;
        Ok(AttentionOutput { context, probabilities })
    }

    /// Attends with the queries `[n, d]` of some tokens to the keys and values of all tokens of their rows. The
    /// queries `offsets[i]..offsets[i + 1]` belong to row `i`. Returns `[n, d]`. The attention must not be causal,
    /// and the device must have the kernel ([`has_attention_kernel`]).
    ///
    /// # Errors
    /// If shapes or rows do not fit, or libtorch fails.
    pub fn forward_at(
        &self,
        tensors: [&Tensor; 3],
        offsets: &[i64],
        rows: &RaggedRows,
        train: bool,
    ) -> Result<Tensor> {
        if self.causal {
            return Err(Error::Contract(
                "queries at selected positions need an attention that is not causal".into(),
            ));
        }
        self.kernel_at(tensors, offsets, &row_spans(rows.offsets()), train)
    }

    /// Attends with one query a row, `[b, d]`, to the keys and values in the range `keys` of its row. The query of a causal
    /// attention is that of the last token in its range. Returns `[b, d]`. The device must have the kernel
    /// ([`has_attention_kernel`]).
    ///
    /// # Errors
    /// If shapes or ranges do not fit, or libtorch fails.
    pub fn forward_one(
        &self,
        tensors: [&Tensor; 3],
        keys: &[[i64; 2]],
        train: bool,
    ) -> Result<Tensor> {
        let offsets: Vec<i64> = (0..=keys.len() as i64).collect();
        self.kernel_at(tensors, &offsets, keys, train)
    }

    /// [`Attention::forward_at`] for keys in the ranges `keys`, one for each row. The queries are those of the last
    /// tokens of each row.
    pub(super) fn kernel_at(
        &self,
        tensors: [&Tensor; 3],
        offsets: &[i64],
        keys: &[[i64; 2]],
        train: bool,
    ) -> Result<Tensor> {
        let options = self.options(last(tensors[0]) / self.num_heads, train);
        Ok(ragged_cross_attention(tensors, offsets, keys, options)?)
    }

    /// Attends within ragged rows to queries, keys and values that are side by side in one tensor
    /// `[t, (h + 2 h') e]`. Returns `[t, h e]`. The device must have the kernel ([`has_attention_kernel`]).
    ///
    /// # Errors
    /// If shapes or rows do not fit, or libtorch fails.
    pub fn forward_joint(&self, joint: &Tensor, rows: &RaggedRows, train: bool) -> Result<Tensor> {
        let width = last(joint) / (self.num_heads + 2 * self.num_kv_heads);
        Ok(joint_attention(joint, rows.offsets(), self.options(width, train))?)
    }

    fn kernel(&self, tensors: [&Tensor; 3], offsets: &[i64], train: bool) -> Result<Tensor> {
        let options = self.options(last(tensors[0]) / self.num_heads, train);
        Ok(ragged_attention(tensors, offsets, options)?)
    }

    /// The options of the kernel for heads of this width.
    fn options(&self, width: i64, train: bool) -> RaggedAttention {
        RaggedAttention {
            num_heads: self.num_heads,
            num_kv_heads: self.num_kv_heads,
            scale: self.scale(width),
            dropout: if train { self.dropout } else { 0.0 },
            causal: self.causal,
        }
    }

    fn scale(&self, width: i64) -> f64 {
        self.scale.unwrap_or_else(|| (width as f64).powf(-0.5))
    }

    /// Whether several query heads share their keys and values.
    fn is_shared(&self) -> bool {
        self.num_kv_heads != self.num_heads
    }

    fn eager(
        &self,
        [query, key, value]: [&Tensor; 3],
        mask: Option<&Tensor>,
        train: bool,
    ) -> Result<(Tensor, Tensor)> {
        let for_each = |x: &Tensor| match self.is_shared() {
            false => Ok(x.shallow_clone()),
            true => x.f_repeat_interleave_self_int(self.num_heads / self.num_kv_heads, 1, None),
        };
        let (key, value) = (for_each(key)?, for_each(value)?);
        let scale = self.scale(query.size()[3]);
        let mut scores = query.f_matmul(&key.f_transpose(2, 3)?)?.f_mul_scalar(scale)?;
        if let Some(mask) = mask {
            scores = scores.f_add(&additive_mask(mask, scores.f_kind()?)?)?;
        }
        let probabilities = scores.f_softmax(-1, None::<Kind>)?;
        let dropped = dropout(probabilities.shallow_clone(), self.dropout, train)?;
        Ok((dropped.f_matmul(&value)?, probabilities))
    }
}

/// Splits `[b, l, d]` into heads `[b, h, l, e]`.
fn split(x: &Tensor, heads: i64) -> Result<Tensor> {
    if x.size().last().is_none_or(|width| width % heads != 0) {
        let size = x.size();
        return Err(Error::Contract(format!("{size:?} does not divide into {heads} heads")));
    }
    Ok(x.f_unflatten(2, [heads, -1])?.f_transpose(1, 2)?)
}

/// The mask for queries `[b, h, l, e]` of the last tokens and keys `[b, h', k, e]`: true where the attention is
/// causal and `mask` allows it.
fn causal_mask(query: &Tensor, key: &Tensor, mask: Option<&Tensor>) -> Result<Tensor> {
    let (queries, keys) = (query.size()[2], key.size()[2]);
    let all = Tensor::f_ones([queries, keys], (Kind::Bool, query.device()))?;
    let triangle = all.f_tril(keys - queries)?;
    Ok(match mask {
        Some(mask) => triangle.f_logical_and(mask)?,
        None => triangle,
    })
}

/// The size of the last dimension.
fn last(x: &Tensor) -> i64 {
    x.size().last().copied().unwrap_or(0)
}

/// Whether the kernel for ragged rows takes queries of the type of `x`, or of the type of a product with `x`, on its
/// device.
///
/// # Errors
/// If libtorch fails.
pub fn has_attention_kernel(x: &Tensor) -> Result<bool> {
    let takes = |kind| matches!(kind, Kind::Float | Kind::BFloat16);
    Ok(x.device() == Device::Cpu && takes(x.f_kind()?) && takes(product_kind(x)?))
}

/// A mask to add to scores: 0 where `mask` is true, and minus infinity where it is false.
///
/// # Errors
/// If libtorch fails.
pub fn additive_mask(mask: &Tensor, kind: Kind) -> Result<Tensor> {
    let zeros = mask.f_zeros_like()?.f_to_kind(kind)?;
    Ok(zeros.f_masked_fill(&mask.f_logical_not()?, f64::NEG_INFINITY)?)
}
