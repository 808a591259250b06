//! Predicts the masked tokens of a text with a masked language model.
//!
//! Shapes: l length, d hidden size, n mask tokens, v vocabulary, k candidates.

use serde::Serialize;
use sst_core::{Error, Forward, Model, Tokens};
use sst_data::tokenize::Tokenizer;
use tch::{Device, Kind, Tensor};

use crate::error::EvalError;

/// The predictions for one mask token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MaskPredictions {
    /// The position of the mask token in the row, special tokens included, from 0.
    pub position: usize,
    /// The most probable tokens, best first.
    pub predictions: Vec<Candidate>,
}

/// A predicted token.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The token as it is spelled in the vocabulary.
    pub token: String,
    /// The id of the token.
    pub id: u32,
    /// The probability of the token; the probabilities of the whole vocabulary add up to 1.
    pub probability: f64,
    /// The natural logarithm of the probability.
    pub log_probability: f64,
    /// The text with this mask token replaced; other mask tokens stay.
    pub sequence: String,
}

/// The `top_k` most probable tokens for each mask token of `text`, in order. The text contains the tokenizer's mask token
/// as it is spelled, such as `Jesus [MASK].` for BERT.
///
/// # Errors
/// If the text has no mask token, is longer than the maximum length of the model or holds a token outside of the model's
/// vocabulary, the model has no language-model head, or the logits hold NaN or infinity.
pub fn fill_mask(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    text: &str,
    top_k: usize,
) -> Result<Vec<MaskPredictions>, EvalError> {
    let mask = tokenizer.special().mask.ok_or(EvalError::NoMaskToken)?;
    // The vocabularies of tokenizer and model may differ in size. A text with tokens that the model lacks is an error.
    let num_known = tokenizer.vocab_size().min(model.vocab_size()?);
    let encoding = tokenizer.for_vocabulary(model.vocab_size()?).encoding(text)?;
    let template = tokenizer.special_token_template();
    let ids = [template.prefix.as_slice(), &encoding.ids, &template.suffix].concat();
    // The indices of the mask tokens in the encoding, which has no special tokens around the text.
    let masks: Vec<usize> = (0..encoding.ids.len()).filter(|i| encoding.ids[*i] == mask).collect();
    if masks.is_empty() {
        let mask = tokenizer.token(mask).unwrap_or_default();
        return Err(EvalError::NoMaskInText { text: text.to_owned(), mask });
    }
    let limit = model.max_length()?;
    if ids.len() > limit {
        return Err(EvalError::TooLong { length: ids.len(), limit });
    }
    let positions: Vec<usize> = masks.iter().map(|i| i + template.prefix.len()).collect();
    let log_probs_nv = tch::no_grad(|| log_probabilities(model, &ids, &positions))?;
    if log_probs_nv.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
        return Err(EvalError::NotFinite(format!("a logit for the text `{text}`")));
    }
    // A vocabulary that is padded beyond the tokenizer's has ids without a token; these are not predicted.
    let known_nv = log_probs_nv.f_narrow(1, 0, num_known as i64)?;
    let (best_nk, ids_nk) = known_nv.f_topk(top_k.clamp(1, num_known) as i64, 1, true, true)?;

    let is_continuation = tokenizer.continuation();
    let rows = to_rows::<f32>(&best_nk)?.into_iter().zip(to_rows::<i64>(&ids_nk)?);
    positions
        .iter()
        .zip(&masks)
        .zip(rows)
        .map(|((position, mask), (log_probs, ids))| {
            let range = encoding.offsets[*mask];
            let candidate = |(log_probability, id): (&f32, &i64)| {
                let id = *id as u32;
                let Some(token) = tokenizer.token(id) else { return Ok(None) };
                let log_probability = f64::from(*log_probability);
                let continues = is_continuation[id as usize];
                let word = token_text(tokenizer, id, &token, continues)?;
                let sequence = replace_mask(text, range, &word, continues);
                let probability = log_probability.exp();
                Ok(Some(Candidate { token, id, probability, log_probability, sequence }))
            };
            let predictions: Result<Vec<_>, EvalError> =
                log_probs.iter().zip(&ids).map(candidate).filter_map(Result::transpose).collect();
            Ok(MaskPredictions { position: *position, predictions: predictions? })
        })
        .collect()
}

/// The log-probabilities `[n, v]` at `positions` of the row `ids`, in fp32 on the CPU.
fn log_probabilities(
    model: &dyn Model,
    ids: &[u32],
    positions: &[usize],
) -> Result<Tensor, EvalError> {
    let device = model.params().device();
    let on_device = |values: Vec<i64>| Tensor::f_from_slice(&values)?.f_to_device(device);
    let input_ids = on_device(ids.iter().map(|id| i64::from(*id)).collect())?.f_unsqueeze(0)?;
    let input = Tokens::new(&input_ids);
    let hidden_ld =
        model.text_encoder()?.encode(input.into(), Forward::EVAL)?.hidden_bld.f_squeeze_dim(0)?;
    let positions_n = on_device(positions.iter().map(|position| *position as i64).collect())?;
    let hidden_nd = hidden_ld.f_index_select(0, &positions_n)?;
    let logits_nv = model.lm_head()?.logits(&hidden_nd, Forward::EVAL)?;
    Ok(logits_nv.f_log_softmax(1, Kind::Float)?.f_to_device(Device::Cpu)?)
}

/// The text of a token without white space around it: `light` for `Ġlight`, `ing` for `##ing`.
fn token_text(
    tokenizer: &Tokenizer,
    id: u32,
    token: &str,
    continues: bool,
) -> Result<String, EvalError> {
    match token.strip_prefix("##") {
        Some(rest) if continues => Ok(rest.to_owned()),
        _ => Ok(tokenizer.decode(&[id], false)?.trim().to_owned()),
    }
}

/// Replaces the mask token at the byte range of `text` by `word`. A word that continues the previous one is joined to it
/// without a space.
fn replace_mask(text: &str, (start, end): (usize, usize), word: &str, continues: bool) -> String {
    let (before, mask, after) = (&text[..start], &text[start..end], &text[end..]);
    if continues {
        return format!("{}{word}{after}", before.trim_end());
    }
    // The range of a mask token with `lstrip` includes the white space before it, which is kept.
    let space = &mask[..mask.len() - mask.trim_start().len()];
    format!("{before}{space}{word}{after}")
}

fn to_rows<T: Clone + tch::kind::Element>(tensor_nk: &Tensor) -> Result<Vec<Vec<T>>, EvalError>
where
    Vec<Vec<T>>: TryFrom<Tensor, Error = tch::TchError>,
{
    Ok(Vec::<Vec<T>>::try_from(tensor_nk.f_contiguous()?).map_err(Error::from)?)
}
