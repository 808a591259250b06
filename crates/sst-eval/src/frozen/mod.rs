//! Evaluators of frozen vectors: what can be read out of the hidden states of each layer without training the model.

pub(crate) mod cka;
pub(crate) mod knn;
mod layers;
pub(crate) mod mdl;
pub(crate) mod probe;

use sst_core::Model;
use sst_core::nn::Pooling;

use crate::error::EvalError;
use crate::input::LabelledTexts;
use crate::probe::Labelled;
use layers::LayerVectors;
use tch::Tensor;

/// The vectors of each layer for both parts of labelled texts.
struct Layers {
    train: LayerVectors,
    test: LayerVectors,
    classes: usize,
}

impl Layers {
    fn of(
        model: &dyn Model,
        data: &LabelledTexts<'_>,
        pooling: Pooling,
        batch_size: usize,
    ) -> Result<Self, EvalError> {
        Ok(Self {
            train: LayerVectors::of(model, &*data.train, pooling, batch_size)?,
            test: LayerVectors::of(model, &*data.test, pooling, batch_size)?,
            classes: data.labels.len(),
        })
    }

    /// The number of layers, the embeddings included.
    fn count(&self) -> usize {
        self.train.vectors.len()
    }

    /// The training and the test part of a layer, counted from 0 for the embeddings.
    fn layer(&self, layer: usize) -> Result<(Labelled, Labelled), EvalError> {
        let part =
            |part: &LayerVectors| Labelled::new(&part.vectors[layer], &part.labels, self.classes);
        Ok((part(&self.train)?, part(&self.test)?))
    }

    /// Both parts of a layer together.
    fn whole_layer(&self, layer: usize) -> Result<Labelled, EvalError> {
        let vectors = [&self.train.vectors[layer], &self.test.vectors[layer]];
        let labels = [&self.train.labels[..], &self.test.labels[..]].concat();
        Ok(Labelled::new(&Tensor::f_cat(&vectors, 0)?, &labels, self.classes)?)
    }
}
