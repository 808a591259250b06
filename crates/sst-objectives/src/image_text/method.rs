//! The implementation of [`Objective`] that the objectives on pictures and texts share. An objective only says what the
//! loss of all similarities is ([`Method`]).
//!
//! Shapes: b pictures (and captions), p width of the projected vectors.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sst_core::{
    Batch, LossParts, Model, Objective, Result, Similarity, StepContext, encode_projected,
};
use sst_data::{Collate, RowSpec};
use tch::{Kind, Tensor};

use super::collate::{ImageTextCollate, SAME_CAPTION};
use super::config::{ImageTextConfig, LIMITS};
use crate::contrastive::info_nce::{ContrastiveLoss, normalized};
use crate::contrastive::{ChunkedVectors, MAX_SCALE, RowSlice};
use crate::entry::{Context, Entry};
use crate::error::ObjectiveError;
use crate::layout::BatchLayout;
use crate::parse::parse;

/// The part that differs between the objectives.
pub(super) trait Method: Send + 'static {
    /// The name of the objective in a recipe.
    const NAME: &'static str;
    /// One line for `sst list`.
    const SUMMARY: &'static str;
    /// The types of the models that can be trained with it.
    const MODEL_TYPES: &'static [&'static str];
    /// Whether the similarities have a bias.
    const HAS_BIAS: bool;

    /// The mean loss of logits `[b, b]` of b pictures (rows) and b captions (columns). `positive_bb` is true where the
    /// caption belongs to the picture: on the diagonal, and where captions are equal.
    fn loss(logits_bb: &Tensor, positive_bb: &Tensor) -> Result<Tensor>;

    /// The loss of a model that has learned nothing, for a batch of b; `None` if it is not known.
    fn untrained_loss(b: i64) -> Option<f64>;
}

/// The entry of `M` in the list of objectives.
pub(super) const fn entry<M: Method>() -> Entry {
    Entry {
        name: M::NAME,
        summary: M::SUMMARY,
        default_config: || json!(ImageTextConfig::default()),
        limits: || LIMITS.to_vec(),
        rows: |_| RowSpec::Pictures { views: 1, captions: true },
        needs_causal: false,
        least_rows: 2,
        model_types: M::MODEL_TYPES,
        needs_dropout: false,
        held_out: &["held-out-loss"],
        pipeline_tag: Some("zero-shot-image-classification"),
        head: None,
        classes: None,
        model_keys: |_| Map::new(),
        // open_clip crops nearly the whole picture and does not flip it, as captions may speak of left and right.
        picture_transforms: || vec![json!({"name": "random_resized_crop", "scale": [0.9, 1.0]})],
        idle_keys: |_| Vec::new(),
        special_token_template: |tokenizer| tokenizer.special_token_template().clone(),
        check: |config, _| parse::<ImageTextConfig>(config).map(|_| ()),
        build: build::<M>,
    }
}

fn build<M: Method>(
    config: &Value,
    context: &Context<'_>,
) -> Result<Box<dyn Objective>, ObjectiveError> {
    let config: ImageTextConfig = parse(config)?;
    let layout = BatchLayout::of_records(context.tokenizer()?, context.padding_free);
    let collate = Arc::new(ImageTextCollate(layout));
    Ok(Box::new(ImageText::<M> { config, collate, method: PhantomData }))
}

struct ImageText<M> {
    config: ImageTextConfig,
    collate: Arc<ImageTextCollate>,
    method: PhantomData<M>,
}

impl<M: Method> ImageText<M> {
    /// The ranges that are encoded at once: pictures are rows 0 to b, and captions are rows b to 2 b.
    fn chunks(&self, b: i64) -> Vec<Range<i64>> {
        let size = match self.config.chunk_rows as i64 {
            0 => b,
            size => size,
        };
        let of = |first: i64| {
            (0..b).step_by(size as usize).map(move |at| first + at..first + (at + size).min(b))
        };
        of(0).chain(of(b)).collect()
    }
}

/// The vectors of a range of pictures, or of captions, `[n, p]`.
fn encode(
    model: &dyn Model,
    batch: &Batch,
    context: &StepContext,
    range: &Range<i64>,
    b: i64,
) -> Result<Tensor> {
    let count = range.end - range.start;
    let slice = match range.start < b {
        true => RowSlice::of_pixels(batch, range.start, count)?,
        false => RowSlice::of_tokens(batch, range.start - b, count)?,
    };
    encode_projected(model, slice.input(), context.forward)
}

/// The similarities `[b, b]` of pictures and captions, whose vectors are `[2 b, p]`. They are computed in fp32 even under
/// autocast.
fn logits(similarity: Similarity<'_>, vectors: &Tensor) -> Result<Tensor> {
    let _full = sst_kernels::autocast(vectors.device(), None)?;
    let sides = normalized(vectors)?.f_chunk(2, 0)?;
    similarity.logits(&sides[0].f_matmul(&sides[1].f_transpose(0, 1)?)?)
}

/// The fraction of pictures whose most similar caption belongs to them, and of captions likewise: the mean of both.
fn accuracy(logits_bb: &Tensor, positive_bb: &Tensor) -> Result<Tensor> {
    let logits_bb = logits_bb.f_detach()?;
    let of = |axis: i64| -> Result<Tensor> {
        let nearest = logits_bb.f_argmax(axis, true)?;
        let hits = positive_bb.f_gather(axis, &nearest, false)?;
        Ok(hits.f_to_kind(Kind::Float)?.f_mean(Kind::Float)?)
    };
    Ok(of(0)?.f_add(&of(1)?)?.f_div_scalar(2)?)
}

impl<M: Method> Objective for ImageText<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn collate(&self) -> Arc<dyn Collate> {
        self.collate.clone()
    }

    /// No language-model head is used.
    fn head_token_fraction(&self) -> f64 {
        0.0
    }

    /// The mean loss. `accuracy` is the mean over both directions of the fraction of rows whose most similar partner belongs
    /// to them; `temperature` is the learned one.
    fn loss(&self, model: &dyn Model, batch: &Batch, context: &StepContext) -> Result<LossParts> {
        let similarity = model.similarity()?;
        if M::HAS_BIAS != similarity.bias.is_some() {
            let model_type = model.model_type().into();
            let what = match M::HAS_BIAS {
                true => {
                    "be trained with this objective, which needs a bias of similarities: take `clip`"
                }
                false => {
                    "be trained with this objective, which has no bias of similarities: take `siglip`"
                }
            };
            return Err(sst_core::Error::Unsupported { model_type, what });
        }
        let b = batch.get("pixel_values")?.size()[0];
        let own: Vec<&Tensor> =
            std::iter::once(similarity.log_scale).chain(similarity.bias).collect();
        let is_own = |tensor: &Tensor| own.iter().any(|own| own.data_ptr() == tensor.data_ptr());
        let (of_loss, of_vectors) =
            model.params().trainable().map(|(_, tensor)| tensor).partition(|tensor| is_own(tensor));
        let encode_range = |range: &Range<i64>| encode(model, batch, context, range, b);
        let positive_bb = match batch.find(SAME_CAPTION) {
            Some(same_bb) => same_bb.shallow_clone(),
            None => Tensor::f_eye(b, (Kind::Bool, similarity.log_scale.device()))?,
        };
        let loss_of = |vectors: &Tensor| -> Result<ContrastiveLoss> {
            let logits_bb = logits(similarity, vectors)?;
            let loss = M::loss(&logits_bb, &positive_bb)?;
            Ok(ContrastiveLoss { loss, accuracy: accuracy(&logits_bb, &positive_bb)? })
        };
        let chunks = self.chunks(b);
        let ContrastiveLoss { loss, accuracy } = if self.config.chunk_rows == 0 {
            let sides = [encode_range(&chunks[0])?, encode_range(&chunks[1])?];
            loss_of(&Tensor::f_cat(&sides, 0)?)?
        } else {
            let vectors = ChunkedVectors { chunks, encode: &encode_range, of_vectors, of_loss };
            vectors.loss(&loss_of)?
        };
        let temperature = similarity.log_scale.f_detach()?.f_neg()?.f_exp()?.f_squeeze()?;
        let mut sums = vec![("accuracy", accuracy), ("temperature", temperature)];
        if let Some(untrained) = M::untrained_loss(b) {
            let options = (Kind::Float, loss.device());
            sums.push((
                sst_core::objective::UNTRAINED_LOSS,
                Tensor::f_full([], untrained, options)?,
            ));
        }
        Ok(LossParts { loss, sums })
    }

    /// Keeps the scale at 100 or below, as CLIP does.
    fn after_update(&mut self, model: &dyn Model, _step: u64) -> Result<()> {
        let mut log_scale = model.similarity()?.log_scale.shallow_clone();
        let _ = tch::no_grad(|| log_scale.f_clamp_max_(MAX_SCALE.ln()))?;
        Ok(())
    }
}
