//! Computes the vectors of texts.
//!
//! Shapes: n texts, t tokens of a batch, d width of a vector.

use sst_core::{Forward, Model, RaggedRows, Tokens};
use tch::{Device, Kind, Tensor};

use super::model::SentenceModel;
use crate::error::ModelError;

/// The number of characters of a text in an error message.
const SHOWN_CHARS: usize = 60;

/// Computes the vectors of many texts. Texts of similar length are batched together, without padding.
pub struct Embedder<'m> {
    model: &'m SentenceModel,
    /// The encoder whose hidden states are pooled.
    encoder: &'m dyn Model,
    /// Put before each text.
    prompt: &'m str,
    device: Device,
    /// The type of matrix products, if it differs from that of the weights.
    autocast: Option<Kind>,
    /// The largest number of tokens in a forward pass, unless a single text has more.
    batch_tokens: usize,
}

/// Vectors, and how many tokens of each text were used.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Embedded {
    /// The vectors `[n, d]` in the order of the texts; zeros for a text without tokens.
    pub vectors: Vec<f32>,
    /// For each text, the number of tokens that were cut off.
    pub cut: Vec<usize>,
    /// For each text, the number of tokens that the tokenizer does not know.
    pub unknown: Vec<usize>,
    /// For each text, whether it has no tokens, not even special ones.
    pub empty: Vec<bool>,
    /// The number of tokens that were encoded.
    pub tokens: u64,
}

impl<'m> Embedder<'m> {
    /// An embedder for a model on `device`.
    pub fn new(
        model: &'m SentenceModel,
        device: Device,
        autocast: Option<Kind>,
        batch_tokens: usize,
    ) -> Self {
        let (encoder, prompt) = (model.model(), model.prompt());
        Self { model, encoder, prompt, device, autocast, batch_tokens }
    }

    /// Puts `prompt` before each text, instead of the prompt of the sentence model.
    ///
    /// # Errors
    /// If the folder's pooling leaves prompts out, which sst cannot.
    pub fn with_prompt(self, prompt: &'m str) -> Result<Self, ModelError> {
        self.model.check_prompt(prompt)?;
        Ok(Self { prompt, ..self })
    }

    /// Pools the hidden states of `encoder`, instead of those of the sentence model's own encoder. Both must be of the
    /// same shape and on the same device.
    #[must_use]
    pub fn with_encoder(self, encoder: &'m dyn Model) -> Self {
        Self { encoder, ..self }
    }

    /// Computes the vectors of `texts`.
    ///
    /// # Errors
    /// If a text cannot be tokenized, a vector is not finite, or libtorch fails.
    pub fn embed(&self, texts: &[&str]) -> Result<Embedded, ModelError> {
        let _weights = sst_kernels::keep_weights();
        let rows = self.model.tokens_after(self.prompt, texts)?;
        let width = self.model.width() as usize;
        let mut vectors = vec![0.0; rows.len() * width];
        let mut order: Vec<usize> = (0..rows.len()).filter(|i| !rows[*i].ids.is_empty()).collect();
        // The longest texts come first: the largest allocation happens at the start, and later batches reuse it.
        order.sort_by_key(|i| std::cmp::Reverse(rows[*i].ids.len()));
        let mut rest = order.as_slice();
        while !rest.is_empty() {
            // A batch has at least one text, and otherwise at most `batch_tokens` tokens, so that batches have
            // similar sizes.
            let mut tokens = 0;
            let count = rest.iter().take_while(|i| {
                tokens += rows[**i].ids.len();
                tokens <= self.batch_tokens
            });
            let (batch, later) = rest.split_at(count.count().max(1));
            rest = later;
            let found = tch::no_grad(|| self.batch(batch.iter().map(|i| &*rows[*i].ids)))?;
            for (i, vector) in batch.iter().zip(found.chunks_exact(width)) {
                if !vector.iter().all(|x| x.is_finite()) {
                    let text = texts[*i].chars().take(SHOWN_CHARS).collect();
                    return Err(ModelError::NotFinite { text });
                }
                vectors[i * width..(i + 1) * width].copy_from_slice(vector);
            }
        }
        Ok(Embedded {
            vectors,
            tokens: rows.iter().map(|row| row.ids.len() as u64).sum(),
            cut: rows.iter().map(|row| row.cut).collect(),
            unknown: rows.iter().map(|row| row.unknown).collect(),
            empty: rows.iter().map(|row| row.ids.is_empty()).collect(),
        })
    }

    /// Computes the vectors of a batch, one after the other.
    fn batch<'r>(&self, rows: impl Iterator<Item = &'r [u32]>) -> sst_core::Result<Vec<f32>> {
        let (mut ids, mut lengths) = (Vec::new(), Vec::new());
        for row in rows {
            ids.extend(row.iter().map(|id| i64::from(*id)));
            lengths.push(row.len());
        }
        let rows = RaggedRows::new(&lengths, self.device);
        let ids_t = Tensor::f_from_slice(&ids)?.f_to_device(self.device)?;
        let input = Tokens::ragged(&ids_t, &rows);
        let _autocast =
            self.autocast.map(|kind| sst_kernels::autocast(self.device, Some(kind))).transpose()?;
        let vectors_bd = self.model.vectors_of(self.encoder, input, Forward::EVAL)?;
        let flat = vectors_bd.f_to_device(Device::Cpu)?.f_contiguous()?.f_flatten(0, -1)?;
        Ok(Vec::try_from(&flat)?)
    }
}
