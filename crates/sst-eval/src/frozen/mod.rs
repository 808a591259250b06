//! Evaluators of frozen vectors: what can be read out of the hidden states of each layer without training the model.

mod baselines;
pub(crate) mod cka;
pub(crate) mod knn;
mod layers;
pub(crate) mod mdl;
pub(crate) mod probe;

use sst_core::nn::Pooling;
use sst_core::{Modality, Model, Report};

use crate::error::EvalError;
use crate::input::LabelledRows;
use crate::probe::Labelled;
use baselines::{Method, of_pixels, with_methods};
use layers::LayerVectors;
use tch::Tensor;

/// The predictions for the test rows of a classifier of the training rows.
type Predict<'p> = &'p dyn Fn(&Labelled, &Labelled) -> Result<Vec<i64>, EvalError>;

/// The vectors of each layer for both parts of labelled rows.
struct Layers {
    train: LayerVectors,
    test: LayerVectors,
    classes: usize,
}

impl Layers {
    fn of(
        model: &dyn Model,
        data: &LabelledRows<'_>,
        pooling: Pooling,
        batch_size: usize,
    ) -> Result<Self, EvalError> {
        Ok(Self {
            train: LayerVectors::of(model, &*data.train, pooling, batch_size)?,
            test: LayerVectors::of(model, &*data.test, pooling, batch_size)?,
            classes: data.labels.len(),
        })
    }

    /// Whether the rows are pictures.
    fn are_pictures(&self) -> bool {
        self.train.are_pictures
    }

    /// `train_texts` and `test_texts` with their numbers, or the same of pictures.
    fn counts(&self) -> [(&'static str, u64); 2] {
        let [train, test] = [&self.train, &self.test].map(|part| part.labels.len() as u64);
        match self.are_pictures() {
            true => [("train_pictures", train), ("test_pictures", test)],
            false => [("train_texts", train), ("test_texts", test)],
        }
    }

    /// Adds to the `report` of pictures what other methods reach: the twin, and with `predict` pixels and their principal
    /// components. `found` are the predictions of the model.
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different thing, and no two belong together"
    )]
    fn compare(
        &self,
        report: Report,
        data: &LabelledRows<'_>,
        model: &dyn Model,
        batch_size: usize,
        found: &[i64],
        twin: Option<Method>,
        predict: Option<Predict<'_>>,
    ) -> Result<Report, EvalError> {
        let (mut methods, mut report): (Vec<Method>, _) = (twin.into_iter().collect(), report);
        if let Some(predict) = predict {
            let width = model.hidden_size(Modality::Image)?;
            for baseline in of_pixels(data, width, batch_size)? {
                let predictions = predict(&baseline.train, &baseline.test)?;
                methods.push(Method { method: baseline.method, predictions });
                report = report.with_setting(baseline.method, &baseline.described);
            }
        }
        with_methods(report, &self.test.labels, found, &methods)
    }

    /// What a layer is called, counted from 0 for the embeddings.
    fn name(&self, layer: usize) -> &str {
        &self.train.names[layer]
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
