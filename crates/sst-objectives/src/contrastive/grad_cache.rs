//! GradCache: encodes the rows of a batch in chunks, so that a loss on the vectors of the whole batch, and its gradients,
//! need the memory of one chunk (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited
//! Setup", section 3.2).
//!
//! Shapes: b rows of all views together, d the encoder's width, p the width of the projected vectors.

use std::ops::Range;

use sst_core::{Batch, Model, Result, StepContext, encode_pooled};
use sst_data::SeqRng;
use tch::{Device, Kind, Tensor};

use super::info_nce::ContrastiveLoss;
use super::shared::Shared;
use super::views::{RowSlice, num_rows};
use crate::chunked::ChunkedGradients;

/// The inputs of a contrastive loss.
#[derive(Clone, Copy)]
pub(super) struct LossInput<'a> {
    pub(super) model: &'a dyn Model,
    pub(super) batch: &'a Batch,
    pub(super) context: &'a StepContext,
    pub(super) shared: &'a Shared,
}

impl<'a> LossInput<'a> {
    /// The rows `range` of the batch; `None` for all rows.
    pub(super) fn rows(self, range: Option<Range<i64>>) -> Result<EncodedRows<'a>> {
        let range = match range {
            Some(range) => range,
            None => 0..num_rows(self.batch)?,
        };
        Ok(EncodedRows { input: self, range })
    }
}

/// Computes the vectors of some rows of a batch.
pub(super) struct EncodedRows<'a> {
    input: LossInput<'a>,
    range: Range<i64>,
}

impl EncodedRows<'_> {
    /// The number of rows.
    pub(super) fn count(&self) -> i64 {
        self.range.end - self.range.start
    }

    /// The vectors of the rows `range` of the batch, `[b, d]`.
    fn encode(&self, range: &Range<i64>) -> Result<Tensor> {
        let LossInput { model, batch, context, shared } = self.input;
        let slice = RowSlice::new(batch, range.start, range.end - range.start)?;
        let (input, pooling) = (slice.input(), shared.config.pooling);
        encode_pooled(model.encoder(input.modality())?, input, &[pooling], context.forward)
    }

    /// The ranges of rows that are encoded at once.
    fn chunks(&self) -> Vec<Range<i64>> {
        let Range { start, end } = self.range;
        match self.input.shared.config.chunk_rows as i64 {
            0 => vec![self.range.clone()],
            chunk => {
                (start..end).step_by(chunk as usize).map(|at| at..(at + chunk).min(end)).collect()
            }
        }
    }

    /// The projected vectors, `[b, p]`, without a graph.
    pub(super) fn projected(&self) -> Result<Tensor> {
        let chunks = self.chunks();
        tch::no_grad(|| {
            let parts =
                chunks.iter().map(|range| self.encode(range)).collect::<Result<Vec<_>>>()?;
            self.input.shared.project(Tensor::f_cat(&parts, 0)?)
        })
    }
}

/// Applies `loss_of` to the projected vectors of `rows`, `[b, p]`. The result has a graph down to the parameters of the
/// model and of the objective. With `chunk_rows` the gradients are computed here, and the backward pass only scales them.
pub(super) fn chunked_loss(
    rows: &EncodedRows<'_>,
    loss_of: &dyn Fn(&Tensor) -> Result<ContrastiveLoss>,
) -> Result<ContrastiveLoss> {
    let LossInput { model, shared, .. } = rows.input;
    let vectors = ChunkedVectors {
        chunks: rows.chunks(),
        encode: &|range| rows.encode(range),
        // The projection and the temperature are applied to all vectors at once.
        of_vectors: model.params().trainable().map(|(_, tensor)| tensor).collect(),
        of_loss: shared.params().trainable().map(|(_, tensor)| tensor).collect(),
    };
    vectors.loss(&|vectors_bd| loss_of(&shared.project(vectors_bd.shallow_clone())?))
}

/// Vectors of the rows of a batch, and a loss on all of them.
pub(crate) struct ChunkedVectors<'a> {
    /// The ranges of consecutive rows that are encoded at once.
    pub(crate) chunks: Vec<Range<i64>>,
    /// The vectors of a range of rows, `[b, d]`.
    pub(crate) encode: &'a dyn Fn(&Range<i64>) -> Result<Tensor>,
    /// The trained parameters that the vectors depend on.
    pub(crate) of_vectors: Vec<&'a Tensor>,
    /// The trained parameters that the loss depends on besides the vectors.
    pub(crate) of_loss: Vec<&'a Tensor>,
}

impl ChunkedVectors<'_> {
    /// Applies `loss_of` to the vectors of all rows, `[b, d]`. The result has a graph down to the parameters. With several
    /// chunks the gradients are computed here, and the backward pass only scales them.
    pub(crate) fn loss(
        self,
        loss_of: &dyn Fn(&Tensor) -> Result<ContrastiveLoss>,
    ) -> Result<ContrastiveLoss> {
        let Self { chunks, encode, of_vectors, of_loss } = self;
        if let [whole] = chunks.as_slice() {
            return loss_of(&encode(whole)?);
        }
        let all = |encode: &dyn Fn(&Range<i64>) -> Result<Tensor>| -> Result<Tensor> {
            let parts =
                tch::no_grad(|| chunks.iter().map(encode).collect::<Result<Vec<Tensor>>>())?;
            Ok(Tensor::f_cat(&parts, 0)?)
        };
        if !sst_kernels::grad_enabled()? || (of_vectors.is_empty() && of_loss.is_empty()) {
            return loss_of(&all(encode)?);
        }
        // Each chunk is encoded twice, and dropout must be the same both times. So each chunk seeds the generator with a
        // number that is derived from one draw of the step.
        let step_seed = Tensor::f_randint(i64::MAX, [1_i64].as_slice(), (Kind::Int64, Device::Cpu))?
            .f_int64_value(&[0])? as u64;
        let encode_seeded = |range: &Range<i64>| {
            let seed = SeqRng::new(step_seed, "grad_cache.chunk", 0, range.start as u64).next_u64();
            tch::manual_seed(seed as i64);
            encode(range)
        };
        let vectors_bd = all(&encode_seeded)?.f_set_requires_grad(true)?;
        // The first pass may have cached casts of weights without a graph; the second pass must not use them.
        sst_kernels::clear_autocast_cache()?;
        let ContrastiveLoss { loss, accuracy } = loss_of(&vectors_bd)?;
        // The loss is computed of all vectors at once, so the gradients of its own parameters are complete here.
        let mut loss_gradients = {
            let _full = sst_kernels::autocast(vectors_bd.device(), None)?;
            let inputs: Vec<&Tensor> =
                std::iter::once(&vectors_bd).chain(of_loss.iter().copied()).collect();
            Tensor::f_run_backward(&[&loss], &inputs, false, false)?
        };
        let vector_gradients_bd = loss_gradients.remove(0);
        let mut gradients = ChunkedGradients::new(of_vectors);
        // A frozen encoder has no gradients, so its chunks are not encoded again.
        let second_pass = if gradients.is_empty() { &[] } else { chunks.as_slice() };
        let first = chunks.first().map_or(0, |range| range.start);
        for range in second_pass {
            let (at, count) = (range.start - first, range.end - range.start);
            let chunk_gradients_bd = vector_gradients_bd.f_narrow(0, at, count)?;
            let vectors_bd = encode_seeded(range)?;
            // One of two encoders may be frozen.
            if !vectors_bd.requires_grad() {
                continue;
            }
            // The gradients of this product with respect to the parameters are the chunk's part of the loss gradients.
            let product = vectors_bd.f_mul(&chunk_gradients_bd)?.f_sum(Kind::Float)?;
            gradients.add(&product, &[])?;
        }
        let own_gradients =
            of_loss.into_iter().zip(loss_gradients).filter(|(_, gradient)| gradient.defined());
        Ok(ContrastiveLoss { loss: gradients.attach(&loss, own_gradients)?, accuracy })
    }
}
