//! The evaluator `mdl`: the length of the code of the labels, given the vectors of each layer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::nn::Pooling;
use sst_core::{Evaluator, Model, Objective, Report, Table};

use super::Layers;
use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, LabelledRows};
use crate::probe::{LogisticOptions, OnlineCode, OnlineCodeOptions, online_code, shuffled_rows};

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "mdl",
    summary: "how many bits the labels take, given the frozen vectors (minimum description length)",
    details: "The online code of Voita and Titov 2020 (\"Information-Theoretic Probing with Minimum Description Length\"): the \
              labels of all texts, of the training and of the test part, are sent portion by portion, each coded by a logistic \
              regression on those before. \
              bits is the length of the code in the layer with the shortest one, uniform_bits that of labels without a \
              probe, and compression their ratio: 1 if the vectors say nothing of the labels. \
              twin_compression is that of a model of the same shape that was never trained.",
    input: InputKind::LabelledRows,
    records: None,
    needs_objective: false,
    figures: &[Figure::higher("compression"), Figure::lower("bits").with_baseline("uniform_bits")],
    default_config: || json!(MdlConfig::default()),
    options: &[
        ("c", "The inverse strength of the regularisation, as in scikit-learn."),
        (
            "pooling",
            "How the hidden states of a text become one vector: mean, cls, max or lasttoken.",
        ),
        ("batch_size", "Texts in a forward pass. The figures do not depend on it."),
        ("seed", "Seed of the order in which labels are sent."),
    ],
    build,
};

/// The keys of `mdl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MdlConfig {
    c: f64,
    pooling: Pooling,
    batch_size: usize,
    seed: u64,
}

impl Default for MdlConfig {
    fn default() -> Self {
        Self { c: 0.01, pooling: Pooling::Mean, batch_size: 32, seed: 0 }
    }
}

struct Mdl<'a> {
    config: MdlConfig,
    data: LabelledRows<'a>,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(Mdl { config, data: input.labelled_rows(ENTRY.name)? }))
}

impl Mdl<'_> {
    /// The code of each layer of a model.
    fn codes(&self, layers: &Layers) -> Result<Vec<OnlineCode>, EvalError> {
        let logistic = LogisticOptions { c: self.config.c, ..LogisticOptions::default() };
        let options = OnlineCodeOptions { logistic, ..OnlineCodeOptions::default() };
        let code = |layer| {
            let data = layers.whole_layer(layer)?;
            let order = shuffled_rows(data.rows(), self.config.seed);
            Ok(online_code(&data, &order, &options)?)
        };
        (0..layers.count()).map(code).collect()
    }

    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let MdlConfig { pooling, batch_size, .. } = self.config;
        let layers = Layers::of(model, &self.data, pooling, batch_size)?;
        let codes = self.codes(&layers)?;
        let shorter =
            |best: usize, at: usize| if codes[at].bits < codes[best].bits { at } else { best };
        let best = (0..codes.len()).fold(0, shorter);
        let mut metrics = vec![
            ("bits", codes[best].bits),
            ("uniform_bits", codes[best].uniform_bits),
            ("compression", codes[best].compression()),
            ("best_layer", best as f64),
        ];
        let twins = match &self.data.twin {
            Some(twin) => Some(self.codes(&Layers::of(&**twin, &self.data, pooling, batch_size)?)?),
            None => None,
        };
        if let Some(twins) = &twins {
            let compression = twins.iter().map(OnlineCode::compression).fold(0.0, f64::max);
            metrics.push(("twin_compression", compression));
        }
        let mut table = Table::new(&["bits", "compression", "twin_compression"]);
        for (layer, code) in codes.iter().enumerate() {
            let twin = twins.as_ref().map_or(f64::NAN, |twins| twins[layer].compression());
            table.push(layers.name(layer), vec![code.bits, code.compression(), twin]);
        }
        let [train, _] = layers.counts();
        let counts = [train, ("classes", layers.classes as u64)];
        Ok(Report::new(ENTRY.name, metrics, counts).with_table("layers", table))
    }
}

impl Evaluator for Mdl<'_> {
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
