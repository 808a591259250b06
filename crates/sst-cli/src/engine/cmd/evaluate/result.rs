//! What a section measured, with intervals, baselines and comparisons.

use std::collections::BTreeMap;

use anyhow::Result;
use serde_json::{Value, json};
use sst_data::Ledger;
use sst_eval::metric::{Bootstrap, PairedComparison};
use sst_eval::{Better, Entry, Figure, InputKind, Report, compare, interval_of};

/// Samples of a bootstrap.
pub(super) const SAMPLES: usize = 1000;

/// What was measured of one model.
pub(super) struct Measured {
    /// The name of the model.
    pub(super) model: String,
    /// Its report.
    pub(super) report: Report,
    /// The report of its twin, if twins are measured.
    pub(super) twin: Option<Report>,
    /// What was left out on the way.
    pub(super) ledger: Ledger,
    /// The grid of pictures and what their captions find, if one was drawn.
    pub(super) grid: Option<Grid>,
}

/// A grid of pictures.
#[derive(Debug, Clone)]
pub(super) struct Grid {
    /// The picture as a file in PNG.
    pub(super) png: Vec<u8>,
    /// What each row shows: `[{"key", "caption", "nearest": [{"key", "has_caption"}]}]`.
    pub(super) rows: Value,
}

/// A value of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    /// The value.
    pub(super) value: f64,
    /// The ends of its 95 % interval.
    pub(super) interval: Option<(f64, f64)>,
}

/// A figure of one model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OfModel {
    /// The name of the model.
    pub(super) model: String,
    /// The figure.
    pub(super) estimate: Estimate,
    /// That of its twin.
    pub(super) twin: Option<Estimate>,
    /// What a method without a model reaches.
    pub(super) baseline: Option<f64>,
    /// The model without its twin.
    pub(super) from_twin: Option<PairedComparison>,
    /// The model without the first model of the page, for the others, where both have the same examples.
    pub(super) from_first: Option<PairedComparison>,
}

/// A figure of all models.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    /// The figure.
    pub(super) figure: Figure,
    /// Its values, in the order of the models.
    pub(super) models: Vec<OfModel>,
}

/// The figures of a section, the most important one first.
///
/// # Errors
/// If a bootstrap fails.
pub(super) fn rows(entry: &Entry, measured: &[Measured], seed: u64) -> Result<Vec<Row>> {
    let bootstrap = Bootstrap { samples: SAMPLES, seed, ..Bootstrap::default() };
    // Rows of tokens depend on the tokenizer and, without files, on the run of a model, so two models may have different
    // ones. Twins have the tokenizer and the run of their model.
    let are_shared = !matches!(entry.input, InputKind::ObjectiveRows | InputKind::TokenRows);
    let mut rows = Vec::new();
    for figure in entry.figures {
        let mut models = Vec::new();
        for one in measured {
            let Some(estimate) = estimate(figure, &one.report, &bootstrap)? else { continue };
            let twin = match &one.twin {
                Some(twin) => self::estimate(figure, twin, &bootstrap)?,
                None => None,
            };
            let baseline = figure.baseline.and_then(|name| one.report.metrics.get(name).copied());
            let from_twin = difference(figure, &one.report, one.twin.as_ref(), &bootstrap)?;
            let are_shared = are_shared && !figure.is_per_token;
            let first = measured.first().filter(|first| first.model != one.model && are_shared);
            let first = first.map(|first| &first.report);
            let from_first = difference(figure, &one.report, first, &bootstrap)?;
            let model = one.model.clone();
            models.push(OfModel { model, estimate, twin, baseline, from_twin, from_first });
        }
        if !models.is_empty() {
            rows.push(Row { figure: *figure, models });
        }
    }
    Ok(rows)
}

/// A figure of a report. Its interval is that of the report, or else that of a bootstrap over the examples.
fn estimate(figure: &Figure, report: &Report, bootstrap: &Bootstrap) -> Result<Option<Estimate>> {
    let metric = |name: &str| report.metrics.get(name).copied();
    let Some(value) = metric(figure.name) else { return Ok(None) };
    let of_report =
        metric(&format!("{}_low", figure.name)).zip(metric(&format!("{}_high", figure.name)));
    let interval = match of_report {
        Some(interval) => Some(interval),
        None => {
            let terms = report.examples.get(figure.exp_of.unwrap_or(figure.name));
            let drawn = terms.map(|terms| interval_of(terms, bootstrap)).transpose()?.flatten();
            let exp = |end: f64| if figure.exp_of.is_some() { end.exp() } else { end };
            drawn.map(|drawn| (exp(drawn.interval.low), exp(drawn.interval.high)))
        }
    };
    Ok(Some(Estimate { value, interval }))
}

/// The figure of `report` without that of `other`, on the same examples. `None` if the examples are not known or are not
/// as many, or for an exponential, of which the differences of the loss are shown.
fn difference(
    figure: &Figure,
    report: &Report,
    other: Option<&Report>,
    bootstrap: &Bootstrap,
) -> Result<Option<PairedComparison>> {
    let terms = |report: &Report| report.examples.get(figure.name).cloned();
    let (Some(first), Some(second)) = (terms(report), other.and_then(terms)) else {
        return Ok(None);
    };
    if first.len() != second.len() {
        return Ok(None);
    }
    Ok(compare(&first, &second, bootstrap)?)
}

/// A number for JSON, which has no NaN and no infinity.
fn finite(value: f64) -> Value {
    if value.is_finite() { json!(value) } else { Value::Null }
}

impl Estimate {
    fn to_json(self) -> Value {
        let (low, high) = self.interval.unzip();
        json!({"value": finite(self.value), "low": low.map(finite), "high": high.map(finite)})
    }
}

fn comparison_to_json(found: &PairedComparison) -> Value {
    let PairedComparison { difference, p_value } = found;
    json!({
        "difference": finite(difference.estimate), "low": finite(difference.interval.low),
        "high": finite(difference.interval.high), "p_value": p_value,
    })
}

impl Row {
    /// `{"figure", "better", "models": {NAME: {"value", "low", "high", "twin", "baseline", "from_twin", "from_first"}}}`.
    pub(super) fn to_json(&self) -> Value {
        let models: BTreeMap<&str, Value> = self
            .models
            .iter()
            .map(|of| {
                let mut value = of.estimate.to_json();
                value["twin"] = json!(of.twin.map(Estimate::to_json));
                value["baseline"] = json!(of.baseline.map(finite));
                value["from_twin"] = json!(of.from_twin.as_ref().map(comparison_to_json));
                value["from_first"] = json!(of.from_first.as_ref().map(comparison_to_json));
                (of.model.as_str(), value)
            })
            .collect();
        json!({"figure": self.figure.name, "better": better(self.figure.better), "models": models})
    }
}

/// The word for which values are better.
pub(super) fn better(better: Better) -> &'static str {
    match better {
        Better::Higher => "higher",
        Better::Lower => "lower",
        Better::Neither => "neither",
    }
}

#[cfg(test)]
mod tests {
    use sst_eval::Terms;

    use super::*;

    fn report(right: &[f64]) -> Report {
        let terms: Vec<Terms> = right.iter().map(|right| (*right, 1.0)).collect();
        let share = right.iter().sum::<f64>() / right.len() as f64;
        let metrics = [("mask_accuracy", share), ("commonest_token_accuracy", 0.1)];
        let metrics = metrics.into_iter().chain([("loss", 2.0), ("perplexity", 2.0_f64.exp())]);
        Report::new("mask-accuracy", metrics, [("rows", 1)])
            .with_examples("mask_accuracy", terms)
            .with_examples("loss", right.iter().map(|right| (4.0 * right, 2.0)))
    }

    #[test]
    fn a_figure_has_an_interval_a_twin_a_baseline_and_a_comparison() {
        let entry = sst_eval::entry("mask-accuracy").unwrap();
        let (good, bad) = ([1.0, 1.0, 1.0, 0.0].repeat(10), [0.0, 0.0, 1.0, 0.0].repeat(10));
        let one = |model: &str, report, twin| Measured {
            model: model.to_owned(),
            report,
            twin,
            ledger: Ledger::new(),
            grid: None,
        };
        let measured = [one("a", report(&good), Some(report(&bad))), one("b", report(&bad), None)];
        let rows = rows(entry, &measured, 0).unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.figure.name).collect();
        assert_eq!(names, ["mask_accuracy", "loss", "perplexity"]);
        let [a, b] = &rows[0].models[..] else { panic!("two models") };
        assert_eq!((a.estimate.value, a.baseline), (0.75, Some(0.1)));
        let (low, high) = a.estimate.interval.unwrap();
        assert!(low < 0.75 && 0.75 < high && high < 1.0);
        assert_eq!(a.twin.unwrap().value, 0.25);
        let found = a.from_twin.unwrap();
        assert!((found.difference.estimate - 0.5).abs() < 1e-12 && found.p_value < 0.01);
        // The rows of two models may be different ones.
        assert_eq!((a.from_first, b.from_first, b.twin, b.from_twin), (None, None, None, None));
        // The interval of a perplexity is the exponential of that of the loss.
        let ends = |row: &Row| row.models[0].estimate.interval.unwrap();
        let (loss, perplexity) = (ends(&rows[1]), ends(&rows[2]));
        assert!((loss.0.exp() - perplexity.0).abs() < 1e-12);
        assert!(rows[2].models[0].from_twin.is_none());
    }
}
