//! The cross-entropy of tokens, which can be computed without having the logits of all tokens in memory.
//!
//! Shapes: n tokens, d hidden size, v vocabulary.

use sst_core::{Forward, Head, LossParts, Model, Result};
use sst_kernels::CrossEntropy;
use tch::{Kind, Reduction, Tensor};

use crate::chunked::ChunkedGradients;

/// The settings of the token loss.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenLoss {
    /// The weight of the z-loss: the squared logarithm of the softmax's denominator.
    pub(crate) z_loss: f64,
    /// The number of logits (tokens times vocabulary) that are in memory at once; 0 for all.
    pub(crate) logits_at_once: u64,
}

/// Scalar sums over tokens.
struct Sums {
    loss: Tensor,
    correct: Tensor,
    z: Option<Tensor>,
}

impl TokenLoss {
    /// The summed cross-entropy of the hidden states `[n, d]` and the labels `[n]` (int64; tokens with the label
    /// `unscored` are ignored). The sum `correct` counts the labels that the model ranks first. With a z-loss, the sum
    /// `z_loss` is the z-loss, which is also part of the loss.
    ///
    /// If there are more than `logits_at_once` logits, the tokens are processed in chunks. Each chunk computes its
    /// logits, its loss and its gradients at once and keeps no logits; the backward pass only scales these gradients.
    pub(crate) fn compute(
        &self,
        model: &dyn Model,
        [hidden_nd, labels_n]: [&Tensor; 2],
        unscored: i64,
        forward: Forward,
    ) -> Result<LossParts> {
        let head = model.lm_head()?;
        let (count, vocab) = (labels_n.size()[0], head.num_outputs() as u64);
        // Matrix-product kernels work on blocks of 16 rows.
        let chunk = (self.logits_at_once / vocab.max(1) / 16 * 16).max(16) as i64;
        let sums = match self.logits_at_once == 0 || count <= chunk {
            true => self.sums(head, hidden_nd, labels_n, unscored, forward)?,
            false => self.in_chunks(head, [hidden_nd, labels_n], unscored, forward, chunk)?,
        };
        let z = sums.z.map(|z| ("z_loss", z));
        let logged = [("correct", sums.correct)].into_iter().chain(z).collect();
        Ok(LossParts { loss: sums.loss, sums: logged })
    }

    fn sums(
        &self,
        head: &dyn Head,
        hidden_nd: &Tensor,
        labels_n: &Tensor,
        unscored: i64,
        forward: Forward,
    ) -> Result<Sums> {
        let logits_nv = head.logits(hidden_nd, forward)?;
        if sst_kernels::has_cross_entropy_kernel(&logits_nv) {
            let options = CrossEntropy { ignore_index: unscored, z_loss: self.z_loss };
            let sums = sst_kernels::cross_entropy(&logits_nv, labels_n, options)?;
            let z = (self.z_loss > 0.0).then_some(sums.z_loss);
            return Ok(Sums { loss: sums.loss, correct: sums.correct, z });
        }
        // The sum over the vocabulary is computed in fp32, even if autocast computed the logits in bf16.
        let logits_nv = logits_nv.f_to_kind(Kind::Float)?;
        let mut loss = logits_nv.f_cross_entropy_loss(
            labels_n,
            None::<&Tensor>,
            Reduction::Sum,
            unscored,
            0.0,
        )?;
        let mut z = None;
        if self.z_loss > 0.0 {
            let scored_n = labels_n.f_ne(unscored)?.f_to_kind(Kind::Float)?;
            let squared_n = logits_nv.f_logsumexp(&[-1_i64][..], false)?.f_square()?;
            let sum = squared_n.f_mul(&scored_n)?.f_sum(Kind::Float)?.f_mul_scalar(self.z_loss)?;
            loss = loss.f_add(&sum)?;
            z = Some(sum.f_detach()?);
        }
        let correct = match labels_n.numel() {
            0 => Tensor::f_zeros(0_i64, (Kind::Float, labels_n.device()))?.f_sum(Kind::Float)?,
            _ => logits_nv
                .f_detach()?
                .f_argmax(-1, false)?
                .f_eq_tensor(labels_n)?
                .f_sum(Kind::Float)?,
        };
        Ok(Sums { loss, correct, z })
    }

    fn in_chunks(
        &self,
        head: &dyn Head,
        [hidden_nd, labels_n]: [&Tensor; 2],
        unscored: i64,
        forward: Forward,
        chunk: i64,
    ) -> Result<Sums> {
        let parameters = head.parameters().into_iter().filter(|p| p.requires_grad()).collect();
        let mut gradients = ChunkedGradients::new(parameters);
        let mut total: Option<Sums> = None;
        let mut hidden_gradients = Vec::new();
        let count = labels_n.size()[0];
        for at in (0..count).step_by(chunk as usize) {
            let length = chunk.min(count - at);
            let part_nd = hidden_nd.f_narrow(0, at, length)?.f_detach()?;
            let part_nd = part_nd.f_set_requires_grad(hidden_nd.requires_grad())?;
            let labels_n = labels_n.f_narrow(0, at, length)?;
            let sums = self.sums(head, &part_nd, &labels_n, unscored, forward)?;
            if sums.loss.requires_grad() {
                let hidden = hidden_nd.requires_grad().then_some(&part_nd);
                hidden_gradients.extend(gradients.add(&sums.loss, hidden.as_slice())?);
            }
            total = Some(match total {
                None => sums.detached()?,
                Some(total) => total.plus(&sums)?,
            });
        }
        let Some(mut total) = total else {
            return self.sums(head, hidden_nd, labels_n, unscored, forward);
        };
        let hidden_gradient = match hidden_gradients.as_slice() {
            [] => None,
            parts => Some((hidden_nd, Tensor::f_cat(parts, 0)?)),
        };
        total.loss = gradients.attach(&total.loss, hidden_gradient)?;
        Ok(total)
    }
}

impl Sums {
    fn detached(self) -> Result<Self> {
        Ok(Self { loss: self.loss.f_detach()?, ..self })
    }

    fn plus(self, other: &Self) -> Result<Self> {
        let z = match (self.z, &other.z) {
            (Some(a), Some(b)) => Some(a.f_add(b)?),
            _ => None,
        };
        let loss = self.loss.f_add(&other.loss.f_detach()?)?;
        Ok(Self { loss, correct: self.correct.f_add(&other.correct)?, z })
    }
}
