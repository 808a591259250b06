//! The logits of a head for rows.
//!
//! Shapes: b rows, t tokens of all rows, o outputs.

use sst_core::{Forward, HeadInput, HeadKind, Model, RaggedRows, Tokens};
use sst_data::Example;
use sst_data::rows::Dataset;
use tch::{Device, Kind, Tensor};

use crate::error::EvalError;
use crate::rows;

/// Is called with a row and its logits.
pub(super) type Visit<'a> = dyn FnMut(&Example, &[f32]) -> Result<(), EvalError> + 'a;

/// Calls `visit` with each row in order and the logits of a head for it: o numbers, or o for each of its tokens if the
/// head reads every token. `batch_size` rows are computed at a time, without padding, dropout and gradients.
pub(super) fn for_each_row(
    model: &dyn Model,
    kind: HeadKind,
    dataset: &dyn Dataset,
    batch_size: usize,
    visit: &mut Visit<'_>,
) -> Result<(), EvalError> {
    let head = model.head(kind)?;
    for examples in rows::groups(dataset, batch_size, model.vocab_size()?) {
        let examples = examples?;
        let logits = tch::no_grad(|| logits(model, kind, &examples))?;
        let mut rest = logits.as_slice();
        for example in &examples {
            let tokens = match head.input() {
                HeadInput::EveryToken => tokens_of(example)?.len(),
                _ => 1,
            };
            let (row, further) = rest.split_at(tokens * head.num_outputs());
            visit(example, row)?;
            rest = further;
        }
    }
    Ok(())
}

fn tokens_of(example: &Example) -> Result<&[u32], EvalError> {
    example.tokens("input_ids").ok_or_else(|| {
        let (key, field) = (example.key.clone(), "input_ids".to_owned());
        EvalError::MissingField { key, field }
    })
}

/// The logits `[b, o]` or `[t, o]`, row by row.
fn logits(model: &dyn Model, kind: HeadKind, examples: &[Example]) -> Result<Vec<f32>, EvalError> {
    let device = model.params().device();
    let (mut ids, mut types, mut lengths) = (Vec::new(), Vec::new(), Vec::new());
    for example in examples {
        let tokens = tokens_of(example)?;
        ids.extend(tokens.iter().map(|id| i64::from(*id)));
        lengths.push(tokens.len());
        let of_tokens = example.tokens("token_type_ids").unwrap_or_default();
        types.extend(of_tokens.iter().map(|kind| i64::from(*kind)));
        types.resize(ids.len(), 0);
    }
    let to_device = |values: &[i64]| -> Result<Tensor, EvalError> {
        Ok(Tensor::f_from_slice(values)?.f_to_device(device)?)
    };
    let (input_ids, token_type_ids) = (to_device(&ids)?, to_device(&types)?);
    let rows = RaggedRows::new(&lengths, device);
    let has_types = types.iter().any(|kind| *kind != 0);
    let input = Tokens {
        token_type_ids: has_types.then_some(&token_type_ids),
        ..Tokens::ragged(&input_ids, &rows)
    };
    let head = model.head(kind)?;
    let output = model.text_encoder()?.encode(input.into(), Forward::EVAL)?;
    let hidden = output.select(head.input(), &input_ids)?;
    let logits = head.logits(&hidden, Forward::EVAL)?.f_to_kind(Kind::Float)?;
    let logits = Vec::<f32>::try_from(logits.f_to_device(Device::Cpu)?.f_flatten(0, -1)?)?;
    // Products of matrices may have been computed with more rows than there are tokens.
    let expected = match head.input() {
        HeadInput::EveryToken => ids.len(),
        _ => examples.len(),
    };
    if logits.iter().any(|logit| !logit.is_finite()) {
        return Err(EvalError::NotFinite("a logit".to_owned()));
    }
    Ok(logits[..expected * head.num_outputs()].to_vec())
}
