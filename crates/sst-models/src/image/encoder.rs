//! The encoder of image models.
//!
//! Shapes: b batch, l patches and class token, t = b * l, d hidden size.

use sst_core::nn::{LayerNorm, dropout};
use sst_core::{
    Embedded, Encoder, EncoderOutput, Forward, HeadInput, Input, InputSpec, Result, RowLayout,
    Scope,
};
use tch::Tensor;

use super::{EmbeddingConfig, ImageEmbeddings};
use crate::block::{Block, run, run_for};
use crate::decoder::Stack;
use crate::tower::TowerEncoder;

/// Patches, layers, and norms before and after them.
#[derive(Debug)]
pub(crate) struct ImageEncoder {
    embeddings: ImageEmbeddings,
    /// The dropout probability of the embeddings.
    dropout: f64,
    /// The norm of the embeddings (CLIP).
    first_norm: Option<LayerNorm>,
    layers: Stack<Block>,
    /// The norm of the last hidden states; `None` if a head takes it (CLIP).
    last_norm: Option<LayerNorm>,
}

impl ImageEncoder {
    /// An encoder with these layers. The embeddings are made in the scope `embeddings`.
    pub(crate) fn new(
        scope: &Scope<'_>,
        config: EmbeddingConfig,
        layers: Stack<Block>,
    ) -> Result<Self> {
        let embeddings = ImageEmbeddings::new(&scope.sub("embeddings"), config)?;
        Ok(Self { embeddings, dropout: 0.0, first_norm: None, layers, last_norm: None })
    }

    /// With this dropout probability of the embeddings.
    pub(crate) fn with_dropout(self, dropout: f64) -> Self {
        Self { dropout, ..self }
    }

    /// With a norm of the embeddings.
    pub(crate) fn with_first_norm(self, norm: LayerNorm) -> Self {
        Self { first_norm: Some(norm), ..self }
    }

    /// With a norm of the last hidden states.
    pub(crate) fn with_last_norm(self, norm: LayerNorm) -> Self {
        Self { last_norm: Some(norm), ..self }
    }
}

impl Encoder for ImageEncoder {
    fn spec(&self) -> InputSpec {
        self.embeddings.spec()
    }

    fn hidden_size(&self) -> i64 {
        self.embeddings.width()
    }

    /// The sum of patch and position embeddings, with the class token first if there is one, after norm and dropout.
    fn embed(&self, input: Input<'_>, forward: Forward) -> Result<Embedded> {
        let hidden = self.embeddings.forward(input.pixels()?)?;
        let hidden = match &self.first_norm {
            Some(norm) => norm.forward(&hidden)?,
            None => hidden,
        };
        let hidden = dropout(hidden, self.dropout, forward.train)?;
        Ok(Embedded { hidden, rows: RowLayout::Padded { mask_bl: None } })
    }

    /// The last of the hidden states, if wanted, is the output of the last layer, before the last norm.
    fn encode_embedded(&self, embedded: Embedded, forward: Forward) -> Result<EncoderOutput> {
        run(&self.layers, self.last_norm.as_ref(), embedded, forward)
    }

    fn encode_for(
        &self,
        input: Input<'_>,
        head_input: HeadInput,
        forward: Forward,
    ) -> Result<Tensor> {
        let embedded = self.embed(input, forward)?;
        run_for(&self.layers, self.last_norm.as_ref(), embedded, (head_input, None), forward)
    }
}

impl TowerEncoder for ImageEncoder {
    fn checkpoint_layers(&mut self, select: &dyn Fn(usize) -> bool) -> usize {
        self.layers.checkpoint_layers(select)
    }
}
