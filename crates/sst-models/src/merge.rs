//! Merges an adapter into the weights of its base model.
//!
//! Shapes: b rows, l tokens.

use sst_core::{Forward, HeadKind, Model, Tokens};
use sst_data::SeqRng;
use tch::{Kind, Tensor};

use crate::error::ModelError;

/// The largest number of rows and of tokens in a row with which the models are compared.
const ROWS: i64 = 4;
const TOKENS: i64 = 64;
/// A change of an output that rounding does not explain, as a share of the largest output.
const MAX_CHANGE: f64 = 1e-3;
/// The heads that a model may have.
const HEADS: [HeadKind; 5] = [
    HeadKind::LanguageModel,
    HeadKind::SentencePair,
    HeadKind::SequenceClassification,
    HeadKind::TokenClassification,
    HeadKind::Span,
];

/// How far the outputs of the merged model are from those of the adapter. The outputs are the logits of all heads, or
/// the hidden states of a model without a head, for a batch of random token ids.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MergeCheck {
    /// The greatest change of an output.
    pub change: f64,
    /// The largest absolute value of an output.
    pub largest: f64,
    /// The number of tokens in the batch.
    pub tokens: i64,
}

/// Merges the adapter of `model`, whose parameters are in fp32, into its weights. The model then has no adapter, and is
/// saved as a whole model.
///
/// # Errors
/// If the model has no adapter; if outputs of the adapter or of the merged model are NaN or infinite, or differ by more
/// than rounding explains; or if libtorch fails.
pub fn merge(model: &mut dyn Model) -> Result<MergeCheck, ModelError> {
    if model.params().adapter().is_none() {
        return Err(ModelError::Merge("the model has no adapter".to_owned()));
    }
    let ids_bl = random_ids(model)?;
    let before = outputs(model, &ids_bl)?;
    finite(&before, "the model with its adapter")?;
    model.params_mut().merge_adapter()?;
    let after = outputs(model, &ids_bl)?;
    finite(&after, "the merged model")?;
    let (mut change, mut largest) = (0.0_f64, 0.0_f64);
    for (before, after) in before.iter().zip(&after) {
        change = change.max(max_abs(&after.f_sub(before).map_err(sst_core::Error::from)?)?);
        largest = largest.max(max_abs(before)?);
    }
    if change > MAX_CHANGE * largest.max(1.0) {
        return Err(ModelError::Merge(format!(
            "merging changes an output by {change:.1e}, where the largest is {largest:.1e}: more than rounding explains, \
             so the weights of the adapter are too large for fp32"
        )));
    }
    Ok(MergeCheck { change, largest, tokens: ids_bl.numel() as i64 })
}

fn random_ids(model: &dyn Model) -> Result<Tensor, ModelError> {
    let length = TOKENS.min(model.max_length()? as i64);
    let vocab_size = model.vocab_size()? as u64;
    let mut rng = SeqRng::new(0, "merge.ids", 0, 0);
    let ids: Vec<i64> = (0..ROWS * length).map(|_| rng.below(vocab_size) as i64).collect();
    let ids = Tensor::f_from_slice(&ids).and_then(|ids| ids.f_reshape([ROWS, length]));
    let ids = ids.and_then(|ids| ids.f_to_device(model.params().device()));
    Ok(ids.map_err(sst_core::Error::from)?)
}

/// The outputs of each head, or the hidden states of a model without a head.
fn outputs(model: &dyn Model, ids_bl: &Tensor) -> Result<Vec<Tensor>, ModelError> {
    let _guard = tch::no_grad_guard();
    let encoded = model.text_encoder()?.encode(Tokens::new(ids_bl).into(), Forward::EVAL)?;
    let heads = HEADS.iter().filter_map(|kind| model.head(*kind).ok());
    let logits =
        heads.map(|head| head.logits(&encoded.select(head.input(), ids_bl)?, Forward::EVAL));
    let logits = logits.collect::<sst_core::Result<Vec<_>>>()?;
    Ok(if logits.is_empty() { vec![encoded.hidden_bld] } else { logits })
}

fn finite(outputs: &[Tensor], of: &str) -> Result<(), ModelError> {
    for output in outputs {
        if !max_abs(output)?.is_finite() {
            let message =
                format!("the outputs of {of} hold NaN or infinity: its weights are too large");
            return Err(ModelError::Merge(message));
        }
    }
    Ok(())
}

/// The largest absolute value; NaN if one is NaN.
fn max_abs(x: &Tensor) -> sst_core::Result<f64> {
    Ok(x.f_abs()?.f_max()?.f_to_kind(Kind::Double)?.f_double_value(&[])?)
}
