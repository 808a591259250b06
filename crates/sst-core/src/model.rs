//! The trait of models: parameters, encoders and heads.

use crate::encoder::{Decoder, Encoder};
use crate::error::{Error, Result};
use crate::head::Head;
use crate::input::InputSpec;
use crate::kind::{HeadKind, Modality};
use crate::params::ParamStore;
use crate::patches::PatchDecoder;
use crate::similarity::Similarity;

/// Consecutive layers of a model, numbered from 0: the transformer blocks of an encoder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerStack {
    /// The prefix of the names of their parameters, such as `bert.encoder.layer.`, which the number of the layer and
    /// a dot follow.
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

    /// Parameters that are saved under a second name as well, because transformers has two tensors where this model
    /// has one. Each pair is the name of a parameter and its second name.
    fn saved_aliases(&self) -> Vec<(String, String)> {
        Vec::new()
    }

    /// The encoder for inputs of this modality.
    ///
    /// # Errors
    /// If the model has no such encoder.
    fn encoder(&self, modality: Modality) -> Result<&dyn Encoder>;

    /// The encoder for text.
    ///
    /// # Errors
    /// If the model has no such encoder.
    fn text_encoder(&self) -> Result<&dyn Encoder> {
        self.encoder(Modality::Text)
    }

    /// The width of the hidden states of the encoder for this modality.
    ///
    /// # Errors
    /// If the model has no such encoder.
    fn hidden_size(&self, modality: Modality) -> Result<i64> {
        Ok(self.encoder(modality)?.hidden_size())
    }

    /// The number of token ids of the text encoder.
    ///
    /// # Errors
    /// If the model has no text encoder.
    fn vocab_size(&self) -> Result<usize> {
        match self.text_encoder()?.spec() {
            InputSpec::Text { vocab_size, .. } => Ok(vocab_size),
            spec => Err(Error::WrongModality { encoder: spec.modality(), input: Modality::Text }),
        }
    }

    /// The largest number of tokens in a row of the text encoder, special tokens included.
    ///
    /// # Errors
    /// If the model has no text encoder.
    fn max_length(&self) -> Result<usize> {
        match self.text_encoder()?.spec() {
            InputSpec::Text { max_length, .. } => Ok(max_length),
            spec => Err(Error::WrongModality { encoder: spec.modality(), input: Modality::Text }),
        }
    }

    /// The stacks of layers, for settings that differ from layer to layer (learning rates, the choice of matrices for
    /// an optimiser). Parameters outside all stacks are embeddings, or come after the layers. Empty for a model
    /// without layers.
    fn stacks(&self) -> Vec<LayerStack>;

    /// Turns on activation checkpointing (Chen et al. 2016) for the layers that `select` returns true for, from 0:
    /// only their inputs are kept for the backward pass, which runs them again. Returns the number of these layers.
    ///
    /// # Errors
    /// If the model does not support it.
    fn checkpoint_layers(&mut self, _select: &dyn Fn(usize) -> bool) -> Result<usize> {
        let model_type = self.model_type().into();
        Err(Error::Unsupported { model_type, what: "run layers again in the backward pass" })
    }

    /// The head of this kind.
    ///
    /// # Errors
    /// If the model has no such head.
    fn head(&self, kind: HeadKind) -> Result<&dyn Head> {
        let model = self.model_type().into();
        Err(Error::MissingHead { model, head: kind, architectures: Vec::new() })
    }

    /// The language-model head, which scores the vocabulary.
    ///
    /// # Errors
    /// If the model has no such head.
    fn lm_head(&self) -> Result<&dyn Head> {
        self.head(HeadKind::LanguageModel)
    }

    /// The part that reconstructs images from the patches that its image encoder gets.
    ///
    /// # Errors
    /// If the model has none.
    fn patch_decoder(&self) -> Result<&dyn PatchDecoder> {
        let model_type = self.model_type().into();
        Err(Error::Unsupported { model_type, what: "reconstruct images" })
    }

    /// What its projected vectors are compared with, for a model with encoders of two modalities.
    ///
    /// # Errors
    /// If the model has none.
    fn similarity(&self) -> Result<Similarity<'_>> {
        let model_type = self.model_type().into();
        Err(Error::Unsupported { model_type, what: "compare images with texts" })
    }

    /// The text encoder as a decoder, if its attention is causal.
    ///
    /// # Errors
    /// If the model is not causal.
    fn decoder(&self) -> Result<&dyn Decoder> {
        Err(Error::NotCausal { model_type: self.model_type().into() })
    }

    /// The floating-point operations per token of a training step, forward and backward, in rows of `length` tokens:
    /// `6 N + 12 L H Q T` with N parameters in matrix products, L layers, H heads of width Q, and T = `length`
    /// (Chowdhery et al. 2022, "PaLM", appendix B; nanoGPT's `estimate_mfu`). The language-model head, and everything
    /// that [`Encoder::encode_at`] can skip, count in proportion to `head_token_fraction`, the fraction of tokens
    /// that go through the head. `None` if the model has no formula; its utilisation is then not reported.
    fn flops_per_token(&self, _length: usize, _head_token_fraction: f64) -> Option<f64> {
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
