//! The evaluator `cka`: how similar the vectors of layers are, of one model or of two.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::nn::Pooling;
use sst_core::{Evaluator, Model, Objective, Report, Table};

use super::layers::LayerVectors;
use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{ComparedTexts, Input, InputKind};
use crate::probe::{ProbeError, cka, debiased_cka};

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "cka",
    summary: "how similar the vectors of two layers or of two models are, up to rotation and scale",
    details: "Centred kernel alignment (Kornblith et al. 2019) of the pooled hidden states of the same texts or pictures: 1 for vectors \
              that are equal up to rotation and scale, about 0 for unrelated ones. The table compares each layer of the model \
              (rows) with each layer of the other model, or with its own layers (columns). With another model, \
              same_layer is the mean over the layers with the same number, and last_layer that of the last ones; \
              embeddings_and_last_layer is that of the model's embeddings and the last layer. By default the unbiased estimator is used, \
              which may be below 0; the biased one is near 1 for unrelated vectors where there are few texts.",
    input: InputKind::ComparedTexts,
    records: None,
    needs_objective: false,
    figures: &[
        Figure::neutral("last_layer"),
        Figure::neutral("same_layer"),
        Figure::neutral("embeddings_and_last_layer"),
    ],
    default_config: || json!(CkaConfig::default()),
    options: &[
        ("debiased", "Whether the unbiased estimator is used: true or false."),
        (
            "pooling",
            "How the hidden states become one vector: mean, cls, max, or for texts lasttoken. The mean of a picture is that of its patches.",
        ),
        ("batch_size", "Texts or pictures in a forward pass. The figures do not depend on it."),
    ],
    build,
};

/// The keys of `cka`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct CkaConfig {
    debiased: bool,
    pooling: Pooling,
    batch_size: usize,
}

impl Default for CkaConfig {
    fn default() -> Self {
        Self { debiased: true, pooling: Pooling::Mean, batch_size: 32 }
    }
}

struct Cka<'a> {
    config: CkaConfig,
    data: ComparedTexts<'a>,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(Cka { config, data: input.compared_texts(ENTRY.name)? }))
}

impl Cka<'_> {
    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let CkaConfig { debiased, pooling, batch_size } = self.config;
        let own = LayerVectors::of(model, &*self.data.rows, pooling, batch_size)?;
        let other = match &self.data.other {
            Some((other, rows)) => Some(LayerVectors::of(&**other, &**rows, pooling, batch_size)?),
            None => None,
        };
        let columns = other.as_ref().unwrap_or(&own);
        let names: Vec<&str> = columns.names.iter().map(String::as_str).collect();
        let mut table = Table::new(&names);
        for (layer, x_nd) in own.vectors.iter().enumerate() {
            let similarity = |y_ne| {
                let found = if debiased { debiased_cka(x_nd, y_ne) } else { cka(x_nd, y_ne) };
                match found {
                    // The embeddings of the first token of all texts are the same, for example.
                    Err(ProbeError::Constant(_)) => Ok(f64::NAN),
                    found => found,
                }
            };
            let row = columns.vectors.iter().map(similarity);
            table.push(&own.names[layer], row.collect::<Result<_, _>>()?);
        }
        let rows = &table.rows;
        let both = rows.len().min(columns.vectors.len());
        let same = (0..both).map(|layer| rows[layer].1[layer]).filter(|value| !value.is_nan());
        let same: Vec<f64> = same.collect();
        let undefined = rows.iter().flat_map(|(_, row)| row).filter(|value| value.is_nan()).count();
        let last = rows.last().and_then(|(_, row)| row.last().copied());
        let mean = same.iter().sum::<f64>() / same.len() as f64;
        // Each layer of a model is as similar to itself as can be.
        let of_two = other.is_some();
        let across = rows.first().and_then(|(_, row)| row.last().copied());
        let metrics = [
            ("last_layer", last.filter(|_| of_two)),
            ("same_layer", Some(mean).filter(|_| of_two)),
            ("embeddings_and_last_layer", across),
        ];
        let metrics = metrics.into_iter().filter_map(|(name, value)| {
            value.filter(|value| !value.is_nan()).map(|value| (name, value))
        });
        let texts = own.vectors.first().map_or(0, |first| first.size()[0] as u64);
        let counted = if own.are_pictures { "pictures" } else { "texts" };
        let counts = [(counted, texts), ("undefined_similarities", undefined as u64)];
        let estimator = if debiased { "debiased" } else { "biased" };
        Ok(Report::new(ENTRY.name, metrics, counts)
            .with_setting("estimator", estimator)
            .with_table("layers", table))
    }
}

impl Evaluator for Cka<'_> {
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
