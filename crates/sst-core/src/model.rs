//! What the rest of sst knows of a model: its parameters, its encoders and its heads.

use crate::encoder::{Decoder, Encoder};
use crate::error::{Error, Result};
use crate::head::Head;
use crate::input::InputSpec;
use crate::kind::{HeadKind, Modality};
use crate::params::ParamStore;

/// Layers of a model that run one after the other and are counted from 0: the transformer blocks of an encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerStack {
    /// What the names of their parameters begin with, such as `bert.encoder.layer.`. The number of the layer and a dot
    /// follow.
    pub prefix: String,
    /// How many layers there are.
    pub depth: usize,
}

impl LayerStack {
    /// The layer that the parameter `name` belongs to, from 0; `None` if it belongs to no layer of this stack.
    pub fn layer_of(&self, name: &str) -> Option<usize> {
        let (number, _) = name.strip_prefix(self.prefix.as_str())?.split_once('.')?;
        number.parse().ok().filter(|layer| *layer < self.depth)
    }
}

/// A model: parameters under their Hugging Face names, an encoder for each modality that it reads, and heads.
pub trait Model: Send {
    /// The `model_type` of its config.json.
    fn model_type(&self) -> &'static str;
    /// Its config.json, complete, `architectures` included.
    fn config(&self) -> serde_json::Value;
    /// Its parameters.
    fn params(&self) -> &ParamStore;
    /// Its parameters, to freeze or regroup them.
    fn params_mut(&mut self) -> &mut ParamStore;

    /// Parameters that are written under a second name too, because transformers has two tensors where this
    /// model has one: each with that name.
    fn copies(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// Its encoder for inputs of this modality.
    ///
    /// # Errors
    /// If it has none.
    fn encoder(&self, modality: Modality) -> Result<&dyn Encoder>;

    /// Its encoder for text.
    ///
    /// # Errors
    /// If it has none.
    fn text_encoder(&self) -> Result<&dyn Encoder> {
        self.encoder(Modality::Text)
    }

    /// The width of the hidden states of its encoder for this modality.
    ///
    /// # Errors
    /// If it has none.
    fn hidden_size(&self, modality: Modality) -> Result<i64> {
        Ok(self.encoder(modality)?.hidden_size())
    }

    /// The number of token ids that its text encoder knows.
    ///
    /// # Errors
    /// If it has no text encoder.
    fn vocab_size(&self) -> Result<usize> {
        match self.text_encoder()?.spec() {
            InputSpec::Text { vocab_size, .. } => Ok(vocab_size),
            spec => Err(Error::WrongModality { encoder: spec.modality(), input: Modality::Text }),
        }
    }

    /// The number of tokens of the longest row that its text encoder reads, special tokens included.
    ///
    /// # Errors
    /// If it has no text encoder.
    fn max_length(&self) -> Result<usize> {
        match self.text_encoder()?.spec() {
            InputSpec::Text { max_length, .. } => Ok(max_length),
            spec => Err(Error::WrongModality { encoder: spec.modality(), input: Modality::Text }),
        }
    }

    /// Its stacks of layers, for rules that differ from layer to layer (learning rates, which matrices an optimiser
    /// takes). Parameters of no stack are embeddings and what stands above the layers. Empty for a model without layers.
    fn stacks(&self) -> Vec<LayerStack>;

    /// Keeps only the inputs of those layers (from 0) that `select` picks for the backward pass, which runs
    /// them again (Chen et al. 2016). Returns how many there are of them.
    ///
    /// # Errors
    /// If the model has no such layers.
    fn checkpoint_layers(&mut self, _select: &dyn Fn(usize) -> bool) -> Result<usize> {
        let model_type = self.model_type().into();
        Err(Error::Unsupported { model_type, what: "run layers again in the backward pass" })
    }

    /// Its head of this kind.
    ///
    /// # Errors
    /// If it has none.
    fn head(&self, kind: HeadKind) -> Result<&dyn Head> {
        let model = self.model_type().into();
        Err(Error::MissingHead { model, head: kind, architectures: Vec::new() })
    }

    /// Its language-model head, which scores the vocabulary.
    ///
    /// # Errors
    /// If it has none.
    fn lm_head(&self) -> Result<&dyn Head> {
        self.head(HeadKind::LanguageModel)
    }

    /// Its text encoder as a decoder, if the model is causal: a token attends to no later one.
    ///
    /// # Errors
    /// If the model is not causal.
    fn decoder(&self) -> Result<&dyn Decoder> {
        Err(Error::NotCausal { model_type: self.model_type().into() })
    }

    /// Floating-point operations that one token of a row of `length` tokens takes in a training step,
    /// forward and backward: `6 N + 12 L H Q T` with N parameters that take part in matrix products, L
    /// layers, H heads of width Q and T = `length` (Chowdhery et al. 2022, "PaLM", appendix B; nanoGPT's
    /// `estimate_mfu`). The language-model head, and what [`Encoder::encode_at`] can skip, count by `scored`, the
    /// share of positions that are scored. `None` for a model that does not say; its utilisation is then not reported.
    fn flops_per_token(&self, _length: usize, _scored: f64) -> Option<f64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_told_by_the_prefix_of_their_stack() {
        let stack = LayerStack { prefix: "vision.layers.".to_owned(), depth: 12 };
        assert_eq!(stack.layer_of("vision.layers.0.mlp.weight"), Some(0));
        assert_eq!(stack.layer_of("vision.layers.11.mlp.weight"), Some(11));
        for name in [
            "vision.layers.12.mlp.weight",
            "vision.layers.x.mlp.weight",
            "vision.layers.3",
            "text.layers.3.mlp.weight",
            "vision.patches.3.weight",
        ] {
            assert_eq!(stack.layer_of(name), None, "{name}");
        }
    }
}
