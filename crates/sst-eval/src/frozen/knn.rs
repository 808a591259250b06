//! The evaluator `knn`: the labels of the nearest texts, in each layer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::nn::Pooling;
use sst_core::{Evaluator, Model, Objective, Report, Table};

use super::baselines::Method;
use super::{Layers, Predict};
use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, LabelledRows};
use crate::metric::{accuracy, wilson_interval};
use crate::probe::{Labelled, Vote, knn_classify, majority_accuracy};

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "knn",
    summary: "how often the nearest training texts have the label of a text, which trains nothing",
    details: "For each layer, the k training texts (or pictures) with the greatest cosine vote on the label of a test text. accuracy is \
              that of the last layer, which is the one that other tools measure; the table has all layers. With a \
              temperature above 0, a neighbour votes with exp(cosine / temperature), as in DINO (k = 20, 0.07); with 0, each \
              has one vote, as in scikit-learn's KNeighborsClassifier(metric=\"cosine\"). twin_accuracy is that of the last \
              layer of a model of the same shape that was never trained. For pictures, the last layer is the output of the encoder, and \
              the table `methods` compares the model with its twin, with the pixels themselves (pixels_accuracy; averaged to 32 x 32 at \
              most) and with their principal components (pca_accuracy; as many as the hidden size).",
    input: InputKind::LabelledRows,
    records: None,
    needs_objective: false,
    figures: &[Figure::higher("accuracy").with_baseline("majority_accuracy")],
    default_config: || json!(KnnConfig::default()),
    options: &[
        ("k", "The number of neighbours."),
        ("temperature", "The temperature of the votes; 0 for one vote each."),
        (
            "pooling",
            "How the hidden states become one vector: mean, cls, max, or for texts lasttoken. The mean of a picture is that of its patches.",
        ),
        (
            "batch_size",
            "Texts or pictures in a forward pass. It changes rounding alone, which may decide between equally near ones.",
        ),
        (
            "pixel_baselines",
            "For pictures: whether pixels and their principal components are measured, too.",
        ),
    ],
    build,
};

/// The keys of `knn`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct KnnConfig {
    k: usize,
    temperature: f64,
    pooling: Pooling,
    batch_size: usize,
    pixel_baselines: bool,
}

impl Default for KnnConfig {
    fn default() -> Self {
        Self {
            k: 20,
            temperature: 0.07,
            pooling: Pooling::Mean,
            batch_size: 32,
            pixel_baselines: true,
        }
    }
}

struct Knn<'a> {
    config: KnnConfig,
    data: LabelledRows<'a>,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config: KnnConfig = parse(ENTRY.name, config)?;
    if !(config.temperature >= 0.0 && config.temperature.is_finite()) {
        let reason = format!("temperature is {}, and must be at least 0", config.temperature);
        let key = Some("temperature".to_owned());
        return Err(EvalError::Config { evaluator: ENTRY.name, key, reason });
    }
    Ok(Box::new(Knn { config, data: input.labelled_rows(ENTRY.name)? }))
}

impl Knn<'_> {
    /// The predictions for the test rows.
    fn predict(&self, train: &Labelled, test: &Labelled) -> Result<Vec<i64>, EvalError> {
        let vote = match self.config.temperature {
            0.0 => Vote::Majority,
            temperature => Vote::Weighted { temperature },
        };
        Ok(knn_classify(train, test.features_nd(), self.config.k, vote)?)
    }

    /// The accuracy of each layer of a model, and the predictions of the last one.
    fn accuracies(&self, layers: &Layers) -> Result<(Vec<f64>, Vec<i64>), EvalError> {
        let (mut accuracies, mut last) = (Vec::new(), Vec::new());
        for layer in 0..layers.count() {
            let (train, test) = layers.layer(layer)?;
            last = self.predict(&train, &test)?;
            let right = accuracy(test.labels(), &last);
            accuracies.push(right.ok_or_else(|| EvalError::Nothing(ENTRY.name.to_owned()))?);
        }
        Ok((accuracies, last))
    }

    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let KnnConfig { pooling, batch_size, .. } = self.config;
        let layers = Layers::of(model, &self.data, pooling, batch_size)?;
        let (accuracies, found) = self.accuracies(&layers)?;
        let last = accuracies.last().copied().unwrap_or_default();
        let rows = layers.test.labels.len();
        let mut metrics = vec![("accuracy", last)];
        metrics.extend(
            majority_accuracy(&layers.train.labels, &layers.test.labels)
                .map(|majority| ("majority_accuracy", majority)),
        );
        let correct = (last * rows as f64).round() as u64;
        if let Some(interval) = wilson_interval(correct, rows as u64, 0.95)? {
            metrics.push(("accuracy_low", interval.low));
            metrics.push(("accuracy_high", interval.high));
        }
        let twins = match &self.data.twin {
            Some(twin) => {
                Some(self.accuracies(&Layers::of(&**twin, &self.data, pooling, batch_size)?)?)
            }
            None => None,
        };
        let twin = twins.as_ref().and_then(|(twins, _)| twins.last().copied());
        metrics.extend(twin.map(|accuracy| ("twin_accuracy", accuracy)));
        let mut table = Table::new(&["accuracy", "twin_accuracy"]);
        for (layer, accuracy) in accuracies.iter().enumerate() {
            let twin = twins.as_ref().map_or(f64::NAN, |(twins, _)| twins[layer]);
            table.push(layers.name(layer), vec![*accuracy, twin]);
        }
        let right = layers.test.labels.iter().zip(&found);
        let right = right.map(|(label, found)| (f64::from(u8::from(label == found)), 1.0));
        let report = Report::new(ENTRY.name, metrics, layers.counts())
            .with_table("layers", table)
            .with_examples("accuracy", right);
        if !layers.are_pictures() {
            return Ok(report);
        }
        let twin = twins.map(|(_, predictions)| Method { method: "twin", predictions });
        let predict = |train: &Labelled, test: &Labelled| self.predict(train, test);
        let given = self.config.pixel_baselines.then_some(&predict as Predict<'_>);
        layers.compare(report, &self.data, model, batch_size, &found, twin, given)
    }
}

impl Evaluator for Knn<'_> {
    fn name(&self) -> &str {
        ENTRY.name
    }

    fn evaluate(
        &mut self,
        model: &dyn Model,
        _objective: Option<&dyn Objective>,
    ) -> sst_core::Result<Report> {
        Ok(self.measure(model)?)
    }
}
