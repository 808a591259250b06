//! From the rows of a batch to their vectors and the gradients of a loss on all of them, in the memory of a few
//! rows (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", section 3.2).
//!
//! Shapes: b rows of all views, d the encoder's width, p the width of what is compared.

use std::ops::Range;

use sst_core::{Batch, Model, Result, StepContext, encode_pooled};
use sst_data::SeqRng;
use tch::{Device, Kind, Tensor};

use super::info_nce::Compared;
use super::shared::Shared;
use super::views::{Part, count};
use crate::chunked::ChunkedGradients;

/// What a loss is made from.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) model: &'a dyn Model,
    pub(super) batch: &'a Batch,
    pub(super) context: &'a StepContext,
    pub(super) shared: &'a Shared,
}

impl<'a> Input<'a> {
    /// The rows `range` of the batch, or all of them.
    pub(super) fn rows(self, range: Option<Range<i64>>) -> Result<Rows<'a>> {
        let range = match range {
            Some(range) => range,
            None => 0..count(self.batch)?,
        };
        Ok(Rows { input: self, range })
    }
}

/// Makes the vectors of rows of a batch.
pub(super) struct Rows<'a> {
    input: Input<'a>,
    range: Range<i64>,
}

impl Rows<'_> {
    /// How many there are.
    pub(super) fn count(&self) -> i64 {
        self.range.end - self.range.start
    }

    fn encode(&self, range: &Range<i64>) -> Result<Tensor> {
        let Input { model, batch, context, shared } = self.input;
        let part = Part::of(batch, range.start, range.end - range.start)?;
        let pooling = shared.common.pooling;
        encode_pooled(model.text_encoder()?, part.input().into(), &[pooling], context.forward)
    }

    /// The ranges that are in memory at once.
    fn chunks(&self) -> Vec<Range<i64>> {
        let Range { start, end } = self.range;
        match self.input.shared.common.chunk_rows as i64 {
            0 => vec![self.range.clone()],
            chunk => {
                (start..end).step_by(chunk as usize).map(|at| at..(at + chunk).min(end)).collect()
            }
        }
    }

    /// What is compared, `[b, p]`, without a graph.
    pub(super) fn projected(&self) -> Result<Tensor> {
        let chunks = self.chunks();
        tch::no_grad(|| {
            let parts =
                chunks.iter().map(|range| self.encode(range)).collect::<Result<Vec<_>>>()?;
            self.input.shared.project(Tensor::f_cat(&parts, 0)?)
        })
    }
}

/// The loss that `compare` makes of what is compared of `rows`, `[b, p]`, with its graph down to the parameters of
/// the model and of the objective. With `chunk_rows` the gradients are computed here, and the backward pass only
/// hands them on.
pub(super) fn compare(
    rows: &Rows<'_>,
    compare: &dyn Fn(&Tensor) -> Result<Compared>,
) -> Result<Compared> {
    let Input { model, shared, .. } = rows.input;
    let chunks = rows.chunks();
    if let [whole] = chunks.as_slice() {
        return compare(&shared.project(rows.encode(whole)?)?);
    }
    let of_model: Vec<&Tensor> = model.params().trainable().map(|(_, tensor)| tensor).collect();
    let own: Vec<&Tensor> = shared.params().trainable().map(|(_, tensor)| tensor).collect();
    if !sst_kernels::grad_enabled()? || (of_model.is_empty() && own.is_empty()) {
        return compare(&rows.projected()?);
    }
    // Dropout must be the same both times: each chunk has a seed of its own, drawn from that of the step.
    let drawn = Tensor::f_randint(i64::MAX, [1_i64].as_slice(), (Kind::Int64, Device::Cpu))?;
    let drawn = drawn.f_int64_value(&[0])? as u64;
    let seeded = |range: &Range<i64>| {
        let seed = SeqRng::new(drawn, "grad_cache.chunk", 0, range.start as u64).next_u64();
        tch::manual_seed(seed as i64);
        rows.encode(range)
    };
    let vectors = tch::no_grad(|| chunks.iter().map(seeded).collect::<Result<Vec<_>>>())?;
    let vectors_bd = Tensor::f_cat(&vectors, 0)?;
    drop(vectors);
    // Casts of weights that were made without a graph must not serve the second pass.
    sst_kernels::clear_autocast_cache()?;
    let vectors_bd = vectors_bd.f_set_requires_grad(true)?;
    let Compared { loss, accuracy } = compare(&shared.project(vectors_bd.shallow_clone())?)?;
    // The head and the temperature are no part of what is made in chunks: theirs are complete with this.
    let mut of_loss = {
        let _full = sst_kernels::autocast(vectors_bd.device(), None)?;
        let inputs: Vec<&Tensor> =
            std::iter::once(&vectors_bd).chain(own.iter().copied()).collect();
        Tensor::f_run_backward(&[&loss], &inputs, false, false)?
    };
    let gradient_bd = of_loss.remove(0);
    let mut gradients = ChunkedGradients::new(of_model);
    // A frozen encoder has no gradients, so that its chunks need not be read again.
    let again = if gradients.is_empty() { &[] } else { chunks.as_slice() };
    for range in again {
        let at = range.start - rows.range.start;
        let part_bd = gradient_bd.f_narrow(0, at, range.end - range.start)?;
        let product = seeded(range)?.f_mul(&part_bd)?.f_sum(Kind::Float)?;
        gradients.add(&product, &[])?;
    }
    let of_own = own.into_iter().zip(of_loss).filter(|(_, gradient)| gradient.defined());
    Ok(Compared { loss: gradients.attach(&loss, of_own)?, accuracy })
}
