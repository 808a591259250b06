//! The vectors of texts in each layer of a model.
//!
//! Shapes: n texts, t tokens of some texts, d width.

use sst_core::nn::Pooling;
use sst_core::{Forward, Model, RaggedRows, Tokens, Want};
use sst_data::Example;
use sst_data::rows::Dataset;
use sst_data::words::{begins_word, last_base};
use tch::{Device, Kind, Tensor};

use crate::error::EvalError;
use crate::rows;

/// The vectors of texts, and what the rows say of them.
pub(super) struct LayerVectors {
    /// For each layer, the embeddings first, the pooled hidden states `[n, d]`, fp32 on the CPU.
    pub(super) vectors: Vec<Tensor>,
    /// The label of each text; empty for texts without labels.
    pub(super) labels: Vec<i64>,
    /// The first word of each text, by which texts are grouped for a control task.
    pub(super) first_words: Vec<String>,
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
        for examples in rows::groups(dataset, batch_size, model.vocab_size()?) {
            let examples = examples?;
            let states = tch::no_grad(|| pooled(model, &examples, pooling))?;
            parts.resize_with(states.len(), Vec::new);
            for (part, state) in parts.iter_mut().zip(states) {
                part.push(state);
            }
            for example in &examples {
                labels.extend(example.int("label"));
                let text = example.text("text").unwrap_or_default();
                first_words.push(first_word(text).to_owned());
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
        Ok(Self { vectors, labels, first_words })
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
