//! Fills in the blanks of a text with a masked language model.
//!
//! Shapes: l length, d hidden size, n blanks, v vocabulary, k candidates.

use serde::Serialize;
use sst_core::{Error, Forward, Model, Tokens};
use sst_data::tokenize::Tokenizer;
use tch::{Device, Kind, Tensor};

use crate::error::EvalError;

/// One blank and what may stand there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Filled {
    /// The place of the blank among the tokens of the row, special tokens included, from 0.
    pub position: usize,
    /// The likeliest tokens, best first.
    pub predictions: Vec<Candidate>,
}

/// One token for a blank.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// The token as the vocabulary spells it.
    pub token: String,
    /// Its id.
    pub id: u32,
    /// Its probability among the whole vocabulary.
    pub probability: f64,
    /// The natural logarithm of that.
    pub log_probability: f64,
    /// The text with this blank filled in and every other left as it is.
    pub sequence: String,
}

/// The `top_k` likeliest tokens for each blank of `text`, in order. A blank is the tokenizer's mask
/// token, spelled out: `Jesus [MASK].` for BERT.
///
/// # Errors
/// If there is no blank, the text is longer than the model reads or holds a token that the model does not
/// know, the model has no language-model head, or its logits hold NaN or infinity.
pub fn fill_mask(
    model: &dyn Model,
    tokenizer: &Tokenizer,
    text: &str,
    top_k: usize,
) -> Result<Vec<Filled>, EvalError> {
    let mask = tokenizer.special().mask.ok_or(EvalError::NoMaskToken)?;
    // Either may know more ids than the other; a text that the model cannot read is refused.
    let known = tokenizer.vocab_size().min(model.vocab_size()?);
    let encoding = tokenizer.for_vocabulary(model.vocab_size()?).encoding(text)?;
    let template = tokenizer.special_token_template();
    let ids = [template.prefix.as_slice(), &encoding.ids, &template.suffix].concat();
    let blanks: Vec<usize> = (0..encoding.ids.len()).filter(|i| encoding.ids[*i] == mask).collect();
    if blanks.is_empty() {
        let mask = tokenizer.token(mask).unwrap_or_default();
        return Err(EvalError::NoBlank { text: text.to_owned(), mask });
    }
    let limit = model.max_length()?;
    if ids.len() > limit {
        return Err(EvalError::TooLong { length: ids.len(), limit });
    }
    let positions: Vec<usize> = blanks.iter().map(|i| i + template.prefix.len()).collect();
    let log_probs_nv = tch::no_grad(|| log_probabilities(model, &ids, &positions))?;
    if log_probs_nv.f_isfinite()?.f_all()?.f_int64_value(&[])? == 0 {
        return Err(EvalError::NotFinite(format!("a logit for the text `{text}`")));
    }
    // A vocabulary padded beyond the tokenizer's has ids that spell nothing.
    let spelled_nv = log_probs_nv.f_narrow(1, 0, known as i64)?;
    let (best_nk, ids_nk) = spelled_nv.f_topk(top_k.clamp(1, known) as i64, 1, true, true)?;

    let continues = tokenizer.continuation();
    let rows = to_rows::<f32>(&best_nk)?.into_iter().zip(to_rows::<i64>(&ids_nk)?);
    let filled = positions.iter().zip(&blanks).zip(rows);
    filled
        .map(|((position, blank), (log_probs, ids))| {
            let place = encoding.offsets[*blank];
            let candidate = |(log_probability, id): (&f32, &i64)| {
                let id = *id as u32;
                let Some(token) = tokenizer.token(id) else { return Ok(None) };
                let log_probability = f64::from(*log_probability);
                let joined = continues[id as usize];
                let sequence = put(text, place, &spelling(tokenizer, id, &token, joined)?, joined);
                let probability = log_probability.exp();
                Ok(Some(Candidate { token, id, probability, log_probability, sequence }))
            };
            let predictions: Result<Vec<_>, EvalError> =
                log_probs.iter().zip(&ids).map(candidate).filter_map(Result::transpose).collect();
            Ok(Filled { position: *position, predictions: predictions? })
        })
        .collect()
}

/// `[n, v]` on the CPU, fp32.
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
    let positions_n = on_device(positions.iter().map(|place| *place as i64).collect())?;
    let hidden_nd = hidden_ld.f_index_select(0, &positions_n)?;
    let logits_nv = model.lm_head()?.logits(&hidden_nd, Forward::EVAL)?;
    Ok(logits_nv.f_log_softmax(1, Kind::Float)?.f_to_device(Device::Cpu)?)
}

/// A token as it reads in a text: `Ġlight` is ` light`, `##ing` is `ing`.
fn spelling(
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

/// `text` with `word` in the place of a blank; a continuation is glued to what stands before.
fn put(text: &str, (start, end): (usize, usize), word: &str, continues: bool) -> String {
    let (before, blank, after) = (&text[..start], &text[start..end], &text[end..]);
    if continues {
        return format!("{}{word}{after}", before.trim_end());
    }
    // Some mask tokens swallow the white space before them.
    let space = &blank[..blank.len() - blank.trim_start().len()];
    format!("{before}{space}{word}{after}")
}

fn to_rows<T: Clone + tch::kind::Element>(tensor_nk: &Tensor) -> Result<Vec<Vec<T>>, EvalError>
where
    Vec<Vec<T>>: TryFrom<Tensor, Error = tch::TchError>,
{
    Ok(Vec::<Vec<T>>::try_from(tensor_nk.f_contiguous()?).map_err(Error::from)?)
}
