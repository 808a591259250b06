//! From the rows of a batch to their vectors and the gradients of a loss on all of them, in the memory of a few
//! rows (Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", section 3.2).
//!
//! Shapes: b rows of all views, d width.

use std::ops::Range;

use sst_core::nn::encode_pooled;
use sst_core::{Batch, Model, Result, StepContext, ext};
use sst_data::SeqRng;
use tch::{Device, Kind, Tensor};

use super::config::Common;
use super::info_nce::Compared;
use super::views::{Part, count};

/// Makes the vectors of rows of a batch.
pub(super) struct Rows<'a> {
    model: &'a dyn Model,
    batch: &'a Batch,
    range: Range<i64>,
    context: &'a StepContext,
    common: &'a Common,
}

impl<'a> Rows<'a> {
    /// Of the rows `range`, or of all of them.
    pub(super) fn new(
        model: &'a dyn Model,
        batch: &'a Batch,
        range: Option<Range<i64>>,
        context: &'a StepContext,
        common: &'a Common,
    ) -> Result<Self> {
        let range = match range {
            Some(range) => range,
            None => 0..count(batch)?,
        };
        Ok(Self { model, batch, range, context, common })
    }

    /// How many there are.
    pub(super) fn count(&self) -> i64 {
        self.range.end - self.range.start
    }

    fn encode(&self, range: &Range<i64>) -> Result<Tensor> {
        let part = Part::of(self.batch, range.start, range.end - range.start)?;
        let forward = self.context.forward;
        encode_pooled(self.model.encoder(), part.input(), &[self.common.pooling], forward)
    }

    /// The ranges that are in memory at once.
    fn chunks(&self) -> Vec<Range<i64>> {
        let Range { start, end } = self.range;
        match self.common.chunk_rows as i64 {
            0 => vec![self.range.clone()],
            chunk => {
                (start..end).step_by(chunk as usize).map(|at| at..(at + chunk).min(end)).collect()
            }
        }
    }

    /// The vectors `[b, d]` without a graph.
    pub(super) fn vectors(&self) -> Result<Tensor> {
        let chunks = self.chunks();
        let parts = tch::no_grad(|| {
            chunks.iter().map(|range| self.encode(range)).collect::<Result<Vec<_>>>()
        })?;
        Ok(Tensor::f_cat(&parts, 0)?)
    }
}

/// The loss that `compare` makes of the vectors `[b, d]` of `rows`, with its graph down to the model's parameters.
/// With `chunk_rows` the gradients are computed here, and the backward pass only hands them on.
pub(super) fn compare(
    rows: &Rows<'_>,
    compare: &dyn Fn(&Tensor) -> Result<Compared>,
) -> Result<Compared> {
    let chunks = rows.chunks();
    let wants_grad = ext::grad_enabled()? && rows.model.params().trainable().next().is_some();
    if let [whole] = chunks.as_slice() {
        return compare(&rows.encode(whole)?);
    }
    if !wants_grad {
        return compare(&rows.vectors()?);
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
    ext::clear_autocast_cache()?;
    let vectors_bd = vectors_bd.f_set_requires_grad(true)?;
    let Compared { loss, accuracy } = compare(&vectors_bd)?;
    let gradient_bd = {
        let _full = ext::autocast(vectors_bd.device(), None)?;
        Tensor::f_run_backward(&[&loss], &[&vectors_bd], false, false)?.remove(0)
    };
    let parameters: Vec<&Tensor> =
        rows.model.params().trainable().map(|(_, tensor)| tensor).collect();
    let mut sums: Vec<Option<Tensor>> = parameters.iter().map(|_| None).collect();
    for range in &chunks {
        let at = range.start - rows.range.start;
        let part_bd = gradient_bd.f_narrow(0, at, range.end - range.start)?;
        let product = seeded(range)?.f_mul(&part_bd)?.f_sum(Kind::Float)?;
        add_gradients(&product, &parameters, &mut sums)?;
    }
    let mut inputs = Vec::new();
    let mut gradients = Vec::new();
    for (parameter, sum) in parameters.into_iter().zip(sums) {
        if let Some(sum) = sum {
            inputs.push(parameter);
            gradients.push(sum.f_to_kind(parameter.f_kind()?)?);
        }
    }
    Ok(Compared { loss: ext::with_gradients(&loss.f_detach()?, &inputs, gradients)?, accuracy })
}

/// Adds the gradients of `value` to `sums`, in fp32; a parameter that it does not depend on keeps what it has.
fn add_gradients(
    value: &Tensor,
    parameters: &[&Tensor],
    sums: &mut [Option<Tensor>],
) -> Result<()> {
    let gradients = Tensor::f_run_backward(&[value], parameters, false, false)?;
    for (sum, gradient) in sums.iter_mut().zip(gradients) {
        if !gradient.defined() {
            continue;
        }
        let gradient = gradient.f_to_kind(Kind::Float)?;
        match sum {
            None => *sum = Some(gradient),
            Some(sum) => {
                let _ = sum.f_add_(&gradient)?;
            }
        }
    }
    Ok(())
}
