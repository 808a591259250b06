//! Metrics of predicted numbers. [`pearson`](super::pearson) and [`spearman`](super::spearman) are the others.

use super::error::{MetricError, check_finite, check_length};

/// The mean of `(prediction - label)^2`; `None` if there are no labels.
///
/// # Errors
/// [`MetricError::Length`] if there are not as many predictions as labels, and [`MetricError::NotFinite`] for a number
/// that is NaN or infinite.
pub fn mean_squared_error(labels: &[f64], predictions: &[f64]) -> Result<Option<f64>, MetricError> {
    check(labels, predictions)?;
    let count = labels.len() as f64;
    Ok((count > 0.0).then(|| squared_errors(labels, predictions) / count))
}

/// The coefficient of determination, `1 - sum (prediction - label)^2 / sum (mean - label)^2`: 1 for predictions without
/// error, 0 for those of the mean label, and less for worse ones. `None` with fewer than two labels or if all are the
/// same, where scikit-learn writes 0 or 1 instead.
///
/// # Errors
/// As [`mean_squared_error`].
pub fn r_squared(labels: &[f64], predictions: &[f64]) -> Result<Option<f64>, MetricError> {
    check(labels, predictions)?;
    if labels.len() < 2 || labels.iter().all(|label| *label == labels[0]) {
        return Ok(None);
    }
    let mean = labels.iter().sum::<f64>() / labels.len() as f64;
    let total: f64 = labels.iter().map(|label| (label - mean) * (label - mean)).sum();
    Ok(Some(1.0 - squared_errors(labels, predictions) / total))
}

fn squared_errors(labels: &[f64], predictions: &[f64]) -> f64 {
    let pairs = labels.iter().zip(predictions);
    pairs.map(|(label, prediction)| (prediction - label) * (prediction - label)).sum()
}

fn check(labels: &[f64], predictions: &[f64]) -> Result<(), MetricError> {
    check_length("predictions", predictions.len(), labels.len())?;
    check_finite("labels", labels)?;
    check_finite("predictions", predictions)
}
