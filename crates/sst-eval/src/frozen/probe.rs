//! The evaluator `probe`: linear classifiers on the frozen vectors of each layer.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sst_core::nn::Pooling;
use sst_core::{Evaluator, Model, Objective, Report, Table};

use super::baselines::Method;
use super::{Layers, Predict};
use crate::entry::{Entry, Figure, parse};
use crate::error::EvalError;
use crate::input::{Input, InputKind, LabelledRows};
use crate::metric::wilson_interval;
use crate::probe::{
    ControlTask, Labelled, LinearProbe, LogisticOptions, SelectionOptions, linear_probe,
    seen_fraction, selectivity,
};

/// The entry in the list of evaluators.
pub(crate) const ENTRY: Entry = Entry {
    name: "probe",
    summary: "how well a linear classifier reads labels out of the frozen vectors of each layer",
    details: "For each layer, logistic regression on the pooled hidden states of the training texts, whose regularisation C \
              is chosen on a part of the training texts that is kept apart (a fifth by default; with fewer than 1,000 training texts, \
              on each fifth in turn), and its accuracy on the test texts. accuracy is that of the layer with the best validation_accuracy, which is that on this part, so the test \
              texts choose nothing. majority_accuracy always says the \
              commonest training label; twin_accuracy is that of the best layer of a model of the same shape that was never \
              trained. The control task (Hewitt and Liang 2019) gives all texts with the same first word one label drawn at \
              random, which can only be memorised: selectivity is the accuracy without that of the control task in the same \
              layer, and control_seen the share of test texts whose first word occurs in the training texts. \
              Pictures have no control task; for them the table `methods` compares the model with its twin, with probes of the pixels \
              themselves (pixels_accuracy; averaged to 32 x 32 at most) and with probes of their principal components \
              (pca_accuracy; as many as the hidden size).",
    input: InputKind::LabelledRows,
    records: None,
    needs_objective: false,
    figures: &[
        Figure::higher("accuracy").with_baseline("majority_accuracy"),
        Figure::higher("selectivity"),
    ],
    default_config: || json!(ProbeConfig::default()),
    options: &[
        (
            "pooling",
            "How the hidden states become one vector: mean, cls, max, or for texts lasttoken. The mean of a picture is that of its patches.",
        ),
        ("batch_size", "Texts or pictures in a forward pass. The figures do not depend on it."),
        (
            "folds",
            "The training texts are divided into so many parts, and C is chosen on one of them; with fewer than 1,000 training texts, on each of them in turn (cross-validation).",
        ),
        ("seed", "Seed of the folds and of the control task."),
        (
            "pixel_baselines",
            "For pictures: whether pixels and their principal components are measured, too.",
        ),
    ],
    build,
};

/// With fewer training rows than this, C is chosen by cross-validation.
const FEW_ROWS: usize = 1000;

/// The keys of `probe`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ProbeConfig {
    pooling: Pooling,
    batch_size: usize,
    folds: usize,
    seed: u64,
    pixel_baselines: bool,
}

impl Default for ProbeConfig {
    fn default() -> Self {
        Self { pooling: Pooling::Mean, batch_size: 32, folds: 5, seed: 0, pixel_baselines: true }
    }
}

struct Probe<'a> {
    config: ProbeConfig,
    data: LabelledRows<'a>,
}

fn build<'a>(config: &Value, input: Input<'a>) -> Result<Box<dyn Evaluator + 'a>, EvalError> {
    let config = parse(ENTRY.name, config)?;
    Ok(Box::new(Probe { config, data: input.labelled_rows(ENTRY.name)? }))
}

impl Probe<'_> {
    /// Checks that every label has a training row besides those that C is chosen on.
    fn check_classes(&self, layers: &Layers) -> Result<(), EvalError> {
        let what = if layers.are_pictures() { "pictures" } else { "texts" };
        for (class, label) in (0..).zip(&self.data.labels) {
            let count = layers.train.labels.iter().filter(|other| **other == class).count();
            if count < 2 {
                let (evaluator, label) = (ENTRY.name, label.clone());
                return Err(EvalError::FewRows { evaluator, label, what, count, needed: 2 });
            }
        }
        Ok(())
    }

    /// How C is chosen with `rows` training rows.
    fn options(&self, rows: usize) -> (SelectionOptions, LogisticOptions) {
        let ProbeConfig { folds, seed, .. } = self.config;
        // One part of few rows says too little of C and of the layer.
        let validated = if rows < FEW_ROWS { folds } else { 1 };
        let selection = SelectionOptions { folds, validated, seed, ..SelectionOptions::default() };
        (selection, LogisticOptions::default())
    }

    /// The probe of each layer of a model.
    fn probes(&self, layers: &Layers) -> Result<Vec<LinearProbe>, EvalError> {
        let (selection, logistic) = self.options(layers.train.labels.len());
        let probe = |layer| {
            let (train, test) = layers.layer(layer)?;
            Ok(linear_probe(&train, &test, &selection, &logistic)?)
        };
        (0..layers.count()).map(probe).collect()
    }

    fn measure(&self, model: &dyn Model) -> Result<Report, EvalError> {
        let ProbeConfig { pooling, batch_size, .. } = self.config;
        let layers = Layers::of(model, &self.data, pooling, batch_size)?;
        self.check_classes(&layers)?;
        let probes = self.probes(&layers)?;
        let best = best_layer(&probes);
        let probe = &probes[best];
        let rows = layers.test.labels.len();
        let correct = (probe.accuracy * rows as f64).round() as u64;
        let mut metrics = vec![
            ("accuracy", probe.accuracy),
            ("best_layer", best as f64),
            ("majority_accuracy", probe.majority),
        ];
        if let Some(interval) = wilson_interval(correct, rows as u64, 0.95)? {
            metrics.push(("accuracy_low", interval.low));
            metrics.push(("accuracy_high", interval.high));
        }
        let control = match layers.are_pictures() {
            true => Err("pictures have no first words".to_owned()),
            false => self.control(&layers, best, &mut metrics)?,
        };
        let mut table = Table::new(&["accuracy", "validation_accuracy", "c", "twin_accuracy"]);
        let twins = match &self.data.twin {
            Some(twin) => {
                Some(self.probes(&Layers::of(&**twin, &self.data, pooling, batch_size)?)?)
            }
            None => None,
        };
        if let Some(twins) = &twins {
            metrics.push(("twin_accuracy", twins[best_layer(twins)].accuracy));
        }
        for (layer, probe) in probes.iter().enumerate() {
            let twin = twins.as_ref().map_or(f64::NAN, |twins| twins[layer].accuracy);
            let c = probe.selection.c;
            table.push(
                layers.name(layer),
                vec![probe.accuracy, validation_accuracy(probe), c, twin],
            );
        }
        let unconverged = probes.iter().filter(|probe| !probe.convergence.converged()).count();
        let [train, test] = layers.counts();
        let counts = [
            train,
            test,
            ("classes", layers.classes as u64),
            ("layers_not_converged", unconverged as u64),
        ];
        let right = layers.test.labels.iter().zip(&probe.predictions);
        let right = right.map(|(label, found)| (f64::from(u8::from(label == found)), 1.0));
        let report = Report::new(ENTRY.name, metrics, counts)
            .with_table("layers", table)
            .with_examples("accuracy", right);
        let report = match control {
            Err(reason) => report.with_setting("control_task", &format!("none: {reason}")),
            Ok(()) => report,
        };
        if !layers.are_pictures() {
            return Ok(report);
        }
        let twin = twins.map(|mut twins| {
            let predictions = twins.swap_remove(best_layer(&twins)).predictions;
            Method { method: "twin", predictions }
        });
        let (selection, logistic) = self.options(layers.train.labels.len());
        let predict = |train: &Labelled, test: &Labelled| {
            Ok(linear_probe(train, test, &selection, &logistic)?.predictions)
        };
        let given = self.config.pixel_baselines.then_some(&predict as Predict<'_>);
        let found = &probe.predictions;
        layers.compare(report, &self.data, model, batch_size, found, twin, given)
    }

    /// Adds the control task of the layer `best`, with probes chosen in the same way. The inner error is why there is none.
    fn control(
        &self,
        layers: &Layers,
        best: usize,
        metrics: &mut Vec<(&'static str, f64)>,
    ) -> Result<Result<(), String>, EvalError> {
        let control = ControlTask::new(&layers.train.labels, layers.classes, self.config.seed)?;
        let (train, test) = layers.layer(best)?;
        let relabel = |part: &[String]| control.labels(part);
        let (train_types, test_types) = (&layers.train.first_words, &layers.test.first_words);
        let train = train.relabelled(&relabel(train_types), layers.classes)?;
        let test = test.relabelled(&relabel(test_types), layers.classes)?;
        let (selection, logistic) = self.options(layers.train.labels.len());
        // Too few first words give all texts one label, which no classifier is trained on.
        let controlled = linear_probe(&train, &test, &selection, &logistic);
        let accuracy = metrics.iter().find(|(name, _)| *name == "accuracy").map_or(0.0, |of| of.1);
        if let Ok(controlled) = &controlled {
            metrics.push(("control_accuracy", controlled.accuracy));
            metrics.push(("selectivity", selectivity(accuracy, controlled.accuracy)));
        }
        metrics.extend(seen_fraction(train_types, test_types).map(|seen| ("control_seen", seen)));
        Ok(controlled.map(|_| ()).map_err(|error| error.to_string()))
    }
}

/// The accuracy on the part of the training texts that chooses C, with that C; the mean if each part chooses in turn.
fn validation_accuracy(probe: &LinearProbe) -> f64 {
    let accuracies = probe.selection.candidates.iter().map(|candidate| candidate.accuracy);
    accuracies.fold(0.0, f64::max)
}

/// The layer with the best accuracy on that part, the first of equally good ones.
fn best_layer(probes: &[LinearProbe]) -> usize {
    let better = |best: usize, at: usize| {
        if validation_accuracy(&probes[at]) > validation_accuracy(&probes[best]) {
            at
        } else {
            best
        }
    };
    (0..probes.len()).fold(0, better)
}

impl Evaluator for Probe<'_> {
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
