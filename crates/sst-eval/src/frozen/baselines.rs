//! What pictures give without a model: their pixels, and the principal components of these; and how the accuracy of a model
//! compares with what such methods reach.
//!
//! Shapes: n pictures, m those that PCA learns from, h height, w width, f numbers of a picture, k components.

use sst_core::{Report, Table, Terms};
use sst_data::rows::Dataset;
use tch::{Kind, Tensor};

use crate::error::EvalError;
use crate::input::LabelledRows;
use crate::intervals::compare;
use crate::metric::{Bootstrap, accuracy, wilson_interval};
use crate::pictures::pixel_values;
use crate::probe::{Labelled, pca};
use crate::rows;

/// Pictures are averaged to at most so many pixels a side, so that PCA of 3,072 numbers is possible in seconds.
const MAX_SIDE: i64 = 32;
/// PCA learns from at most so many pictures.
const MAX_FITTED: u64 = 20_000;
/// Samples of the bootstrap of differences.
const SAMPLES: usize = 1000;

/// The pictures of both parts as numbers.
pub(super) struct Baseline {
    /// `pixels` or `pca`.
    pub(super) method: &'static str,
    /// What the numbers are.
    pub(super) described: String,
    pub(super) train: Labelled,
    pub(super) test: Labelled,
}

/// The pixels of pictures, and their `width` first principal components.
///
/// # Errors
/// If a row cannot be read, or libtorch fails.
pub(super) fn of_pixels(
    data: &LabelledRows<'_>,
    width: i64,
    batch_size: usize,
) -> Result<[Baseline; 2], EvalError> {
    let (train_nf, train_labels) = pixels(&*data.train, 1, batch_size)?;
    let (test_nf, test_labels) = pixels(&*data.test, 1, batch_size)?;
    let fitted = data.unlabelled.as_ref().unwrap_or(&data.train);
    let step = fitted.len().div_ceil(MAX_FITTED).max(1);
    let (fitted_mf, _) = pixels(&**fitted, step, batch_size)?;
    let parts = [&train_nf, &test_nf, &fitted_mf];
    // Of grey pictures one channel is enough, because the others say the same.
    let mut is_grey = true;
    for part in parts {
        let grey = part.x_ncf.f_narrow(1, 0, 1)?;
        is_grey &= bool::try_from(part.x_ncf.f_eq_tensor(&grey)?.f_all()?)?;
    }
    let flat = |part: &Pixels| -> Result<Tensor, EvalError> {
        let channels = if is_grey { 1 } else { part.x_ncf.size()[1] };
        Ok(part.x_ncf.f_narrow(1, 0, channels)?.f_flatten(1, -1)?.f_contiguous()?)
    };
    let [train, test, fitted] = [flat(parts[0])?, flat(parts[1])?, flat(parts[2])?];
    let components = pca(&fitted, width)?;
    let [height, width] = train_nf.size;
    let channels = if is_grey { "1 channel" } else { "3 channels" };
    let pixels = format!("{height} x {width} pixels of {channels}");
    let labelled = |x: &Tensor, labels: &[i64]| Labelled::new(x, labels, data.labels.len());
    Ok([
        Baseline {
            method: "pixels",
            train: labelled(&train, &train_labels)?,
            test: labelled(&test, &test_labels)?,
            described: pixels.clone(),
        },
        Baseline {
            method: "pca",
            described: format!(
                "{} components of {pixels}, from {} pictures without labels",
                components.count(),
                fitted.size()[0]
            ),
            train: labelled(&components.project(&train)?, &train_labels)?,
            test: labelled(&components.project(&test)?, &test_labels)?,
        },
    ])
}

/// Pictures as numbers.
struct Pixels {
    /// `[n, 3, f]`.
    x_ncf: Tensor,
    /// Height and width.
    size: [i64; 2],
}

/// The pixels of each `step`th row, averaged to at most [`MAX_SIDE`] a side, and the labels.
fn pixels(
    dataset: &dyn Dataset,
    step: u64,
    batch_size: usize,
) -> Result<(Pixels, Vec<i64>), EvalError> {
    let (mut parts, mut labels, mut size) = (Vec::new(), Vec::new(), [0, 0]);
    for examples in rows::every(dataset, step, batch_size) {
        let examples = examples?;
        let x = pixel_values(&examples)?;
        let (_, _, height, width) = x.size4()?;
        size = [height.min(MAX_SIDE), width.min(MAX_SIDE)];
        let x = match size == [height, width] {
            true => x,
            false => x.f_adaptive_avg_pool2d(size)?,
        };
        parts.push(x.f_flatten(2, -1)?);
        labels.extend(examples.iter().filter_map(|example| example.int("label")));
    }
    if parts.is_empty() {
        return Err(EvalError::Nothing("a baseline of pictures".to_owned()));
    }
    Ok((Pixels { x_ncf: Tensor::f_cat(&parts, 0)?.f_to_kind(Kind::Float)?, size }, labels))
}

/// The predictions of a method for the test part.
pub(super) struct Method {
    /// Such as `twin`.
    pub(super) method: &'static str,
    pub(super) predictions: Vec<i64>,
}

/// Adds to the report of a model with these `predictions` the accuracies of other methods with their intervals, as
/// `NAME_accuracy`, and the table `methods`, with the difference of the model and each method on the same rows.
///
/// # Errors
/// If there are no labels.
pub(super) fn with_methods(
    mut report: Report,
    labels: &[i64],
    predictions: &[i64],
    methods: &[Method],
) -> Result<Report, EvalError> {
    let columns = ["accuracy", "low", "high", "model_better_by", "better_low", "better_high"];
    let mut table = Table::new(&columns);
    let terms = |found: &[i64]| -> Vec<Terms> {
        let right = labels.iter().zip(found).map(|(label, found)| label == found);
        right.map(|is_right| (f64::from(u8::from(is_right)), 1.0)).collect()
    };
    let of_model = terms(predictions);
    let bootstrap = Bootstrap { samples: SAMPLES, ..Bootstrap::default() };
    let model = std::iter::once(("model", predictions));
    for (name, found) in model.chain(methods.iter().map(|of| (of.method, &*of.predictions))) {
        let nothing = || EvalError::Nothing(report.name.clone());
        let share = accuracy(labels, found).ok_or_else(nothing)?;
        let correct = (share * labels.len() as f64).round() as u64;
        let interval = wilson_interval(correct, labels.len() as u64, 0.95)?.ok_or_else(nothing)?;
        let mut row = vec![share, interval.low, interval.high, f64::NAN, f64::NAN, f64::NAN];
        if name != "model" {
            if let Some(found) = compare(&of_model, &terms(found), &bootstrap)? {
                let drawn = found.difference;
                row[3..].copy_from_slice(&[
                    drawn.estimate,
                    drawn.interval.low,
                    drawn.interval.high,
                ]);
            }
            for (end, value) in [("", share), ("_low", interval.low), ("_high", interval.high)] {
                report.metrics.insert(format!("{name}_accuracy{end}"), value);
            }
        }
        table.push(name, row);
    }
    Ok(report.with_table("methods", table))
}
