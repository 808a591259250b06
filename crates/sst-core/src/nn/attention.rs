//! Multi-head attention (Vaswani et al. 2017): libtorch's fused kernel, or batched products where the
//! probabilities are wanted or the products are faster.

use tch::{Device, Kind, Tensor};

use super::layers::dropout;
use crate::error::Result;

/// The longest row, in tokens, for which the CPU uses plain batched products.
const SHORT_ROW: i64 = 128;

/// How heads attend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Attention {
    /// h.
    pub num_heads: i64,
    /// Dropout on the probabilities while training.
    pub dropout: f64,
}

/// The mixed values, and the probabilities of the eager path.
#[derive(Debug)]
pub struct AttentionOutput {
    /// `[b, l, d]`.
    pub context_bld: Tensor,
    /// `[b, h, l, l]`, if wanted.
    pub probabilities: Option<Tensor>,
}

impl Attention {
    /// Attends with projected queries, keys and values `[b, l, d]`. `mask` is true where a key may be
    /// seen and broadcasts to `[b, h, l, l]`.
    ///
    /// # Errors
    /// If the width is not a multiple of the heads, or libtorch fails.
    pub fn forward(
        &self,
        [query, key, value]: [&Tensor; 3],
        mask: Option<&Tensor>,
        train: bool,
        want_probabilities: bool,
    ) -> Result<AttentionOutput> {
        let [query, key, value] = [self.split(query)?, self.split(key)?, self.split(value)?];
        let (context, probabilities) = if want_probabilities || prefers_products(&query) {
            let (context, probabilities) = self.eager([&query, &key, &value], mask, train)?;
            (context, want_probabilities.then_some(probabilities))
        } else {
            let p = if train { self.dropout } else { 0.0 };
            let context = Tensor::f_scaled_dot_product_attention(
                &query, &key, &value, mask, p, false, None, false,
            )?;
            (context, None)
        };
        let context_bld = context.f_transpose(1, 2)?.f_contiguous()?.f_flatten(2, 3)?;
        Ok(AttentionOutput { context_bld, probabilities })
    }

    fn eager(
        &self,
        [query, key, value]: [&Tensor; 3],
        mask: Option<&Tensor>,
        train: bool,
    ) -> Result<(Tensor, Tensor)> {
        let width = query.size()[3] as f64;
        let mut scores = query.f_matmul(&key.f_transpose(2, 3)?)?.f_mul_scalar(width.powf(-0.5))?;
        if let Some(mask) = mask {
            scores = scores.f_add(&additive_mask(mask, scores.f_kind()?)?)?;
        }
        let probabilities = scores.f_softmax(-1, None::<Kind>)?;
        let dropped = dropout(probabilities.shallow_clone(), self.dropout, train)?;
        Ok((dropped.f_matmul(value)?, probabilities))
    }

    /// `[b, l, d]` to `[b, h, l, e]`.
    fn split(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_unflatten(2, [self.num_heads, -1])?.f_transpose(1, 2)?)
    }
}

/// On the CPU libtorch's fused kernel has a backward pass that short rows do not pay for: plain batched
/// products make the whole step of a 4 x 256 BERT on rows of 32 tokens a third faster.
fn prefers_products(query_bhle: &Tensor) -> bool {
    query_bhle.device() == Device::Cpu && query_bhle.size()[2] <= SHORT_ROW
}

/// 0 where `mask` is true and minus infinity where it is false.
///
/// # Errors
/// If libtorch fails.
pub fn additive_mask(mask: &Tensor, kind: Kind) -> Result<Tensor> {
    let zeros = mask.f_zeros_like()?.f_to_kind(kind)?;
    Ok(zeros.f_masked_fill(&mask.f_logical_not()?, f64::NEG_INFINITY)?)
}
