//! The vectors of texts or pictures in each layer of a model.
//!
//! Shapes: n texts or pictures, b of a batch, t tokens of some texts, d width.

use sst_core::nn::Pooling;
use sst_core::{Forward, Modality, Model, Pixels, RaggedRows, Tokens, Want};
use sst_data::Example;
use sst_data::pictures::PIXEL_VALUES;
use sst_data::rows::Dataset;
use sst_data::words::{begins_word, last_base};
use tch::{Device, Kind, Tensor};

use crate::error::EvalError;
use crate::pictures::{pixel_values, pool};
use crate::rows;

/// The vectors of texts or pictures, and what the rows say of them.
pub(super) struct LayerVectors {
    /// For each layer, the embeddings first, the pooled hidden states `[n, d]`, fp32 on the CPU. An image encoder with a norm
    /// after its last layer has one more: its output.
    pub(super) vectors: Vec<Tensor>,
    /// What each of `vectors` is called.
    pub(super) names: Vec<String>,
    /// The label of each row; empty for rows without labels.
    pub(super) labels: Vec<i64>,
    /// The first word of each text, by which texts are grouped for a control task; empty for pictures.
    pub(super) first_words: Vec<String>,
    /// Whether the rows are pictures.
    pub(super) are_pictures: bool,
}

/// Whether the rows of a data set are pictures.
fn are_pictures(dataset: &dyn Dataset) -> Result<bool, EvalError> {
    Ok(!dataset.is_empty() && dataset.get(0, 0)?.pixels(PIXEL_VALUES).is_some())
}

impl LayerVectors {
    /// The vectors of the rows of a data set, in order.
    pub(super) fn of(
        model: &dyn Model,
        dataset: &dyn Dataset,
        pooling: Pooling,
        batch_size: usize,
    ) -> Result<Self, EvalError> {
        let mut parts: Vec<Vec<Tensor>> = Vec::new();
        let (mut labels, mut first_words) = (Vec::new(), Vec::new());
        let are_pictures = are_pictures(dataset)?;
        let (mut has_output, vocab_size) = (
            false,
            match are_pictures {
                true => usize::MAX,
                false => model.vocab_size()?,
            },
        );
        for examples in rows::groups(dataset, batch_size, vocab_size) {
            let examples = examples?;
            let states = tch::no_grad(|| match are_pictures {
                true => pooled_pictures(model, &examples, pooling).map(|(states, is_normed)| {
                    has_output = is_normed;
                    states
                }),
                false => pooled(model, &examples, pooling),
            })?;
            parts.resize_with(states.len(), Vec::new);
            for (part, state) in parts.iter_mut().zip(states) {
                part.push(state);
            }
            for example in &examples {
                labels.extend(example.int("label"));
                if !are_pictures {
                    let text = example.text("text").unwrap_or_default();
                    first_words.push(first_word(text).to_owned());
                }
            }
        }
        let joined = parts.iter().map(|part| Ok(Tensor::f_cat(part, 0)?));
        let vectors = joined.collect::<Result<Vec<_>, EvalError>>()?;
        let Some(last) = vectors.last() else {
            return Err(EvalError::Nothing("an evaluator of vectors".to_owned()));
        };
        if !bool::try_from(last.f_isfinite()?.f_all()?)? {
            return Err(EvalError::NotFinite("a vector".to_owned()));
        }
        let name = |layer: usize| match layer {
            0 => "embeddings".to_owned(),
            last if has_output && last + 1 == vectors.len() => "output".to_owned(),
            layer => format!("layer {layer}"),
        };
        let names = (0..vectors.len()).map(name).collect();
        Ok(Self { vectors, names, labels, first_words, are_pictures })
    }
}

/// The first word of a text ([`begins_word`]), which is one character in Chinese.
fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    let next = text
        .char_indices()
        .find(|(at, c)| *at > 0 && (c.is_whitespace() || begins_word(last_base(&text[..*at]), *c)));
    next.map_or(text, |(at, _)| &text[..at])
}

/// The pooled hidden states `[b, d]` of each layer.
fn pooled(
    model: &dyn Model,
    examples: &[Example],
    pooling: Pooling,
) -> Result<Vec<Tensor>, EvalError> {
    let device = model.params().device();
    let (mut ids, mut lengths) = (Vec::new(), Vec::new());
    for example in examples {
        let tokens = example.tokens("input_ids").ok_or_else(|| EvalError::MissingField {
            key: example.key.clone(),
            field: "input_ids".to_owned(),
        })?;
        ids.extend(tokens.iter().map(|id| i64::from(*id)));
        lengths.push(tokens.len());
    }
    let input_ids = Tensor::f_from_slice(&ids)?.f_to_device(device)?;
    let rows = RaggedRows::new(&lengths, device);
    let want = Want { hidden_states: true, attentions: false };
    let forward = Forward { want, ..Forward::EVAL };
    let input = Tokens::ragged(&input_ids, &rows);
    let output = model.text_encoder()?.encode(input.into(), forward)?;
    let states = output.hidden_states.unwrap_or_else(|| vec![output.hidden_bld]);
    let pooled = states.iter().map(|state| {
        let vectors = pooling.apply(state, &rows)?;
        Ok(vectors.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?)
    });
    pooled.collect()
}

/// The pooled hidden states `[b, d]` of each layer of an image encoder, and of its output, if that is another. Returns also
/// whether it is.
fn pooled_pictures(
    model: &dyn Model,
    examples: &[Example],
    pooling: Pooling,
) -> Result<(Vec<Tensor>, bool), EvalError> {
    let encoder = model.encoder(Modality::Image)?;
    let pixels = pixel_values(examples)?.f_to_device(model.params().device())?;
    let want = Want { hidden_states: true, attentions: false };
    let output = encoder.encode(Pixels::new(&pixels).into(), Forward { want, ..Forward::EVAL })?;
    let mut states = output.hidden_states.unwrap_or_default();
    let is_normed = match states.last() {
        Some(last) => !last.f_equal(&output.hidden_bld)?,
        None => true,
    };
    if is_normed {
        states.push(output.hidden_bld);
    }
    let states =
        states.iter().map(|state| Ok(pool(encoder, state, pooling)?.f_to_device(Device::Cpu)?));
    Ok((states.collect::<Result<_, EvalError>>()?, is_normed))
}

#[cfg(test)]
mod tests {
    use super::first_word;

    #[test]
    fn the_first_word_ends_at_a_space_a_mark_or_a_han_character() {
        for (text, word) in [
            (" The cat", "The"),
            ("don't", "don"),
            ("刘备在", "刘"),
            ("iPhone上", "iPhone"),
            ("", ""),
        ] {
            assert_eq!(first_word(text), word, "{text}");
        }
    }
}
