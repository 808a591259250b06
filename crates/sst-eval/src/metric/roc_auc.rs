//! The area under the receiver operating characteristic.

use super::class_counts::class_index;
use super::correlation::ranks;
use super::error::{MetricError, check_finite, check_length};

/// The area under the receiver operating characteristic: the probability that a random positive example has a higher
/// score than a random negative one, where equal scores count one half (Hanley and McNeil 1982, "The Meaning and Use of
/// the Area under a Receiver Operating Characteristic (ROC) Curve"). With `n` positive and `m` negative examples and the
/// mean ranks of equal scores it is `(sum of the positive ranks - n (n + 1) / 2) / (n m)`.
///
/// `None` if there is no positive or no negative example.
///
/// # Errors
/// [`MetricError::Length`] if there are not as many scores as labels, and [`MetricError::NotFinite`] for a score that is
/// NaN or infinite.
pub fn roc_auc(is_positive: &[bool], scores: &[f64]) -> Result<Option<f64>, MetricError> {
    check_length("scores", scores.len(), is_positive.len())?;
    check_finite("scores", scores)?;
    let positives = is_positive.iter().filter(|is_positive| **is_positive).count() as f64;
    let negatives = is_positive.len() as f64 - positives;
    if positives == 0.0 || negatives == 0.0 {
        return Ok(None);
    }
    let ranks = ranks(scores);
    let positive_ranks = ranks.iter().zip(is_positive).filter(|(_, is_positive)| **is_positive);
    let sum: f64 = positive_ranks.map(|(rank, _)| rank).sum();
    Ok(Some((sum - positives * (positives + 1.0) / 2.0) / (positives * negatives)))
}

/// The areas of the classes, and their mean.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassRocAucs {
    /// The area of each class against all others; `None` for a class that no example has, or that all have.
    pub classes: Vec<Option<f64>>,
    /// The mean over the classes that have an area; `None` if there are none.
    pub macro_average: Option<f64>,
    /// The number of classes without an area.
    pub left_out: usize,
}

/// The area of each class against all others, for examples of one class each. `scores` holds a row of `num_classes`
/// numbers for each example, such as its probabilities. Where every class occurs the mean is scikit-learn's
/// `roc_auc_score(..., multi_class="ovr", average="macro")`, which has no figure otherwise.
///
/// # Errors
/// [`MetricError::Length`], [`MetricError::UnknownClass`] and [`MetricError::NotFinite`] for what does not fit.
pub fn roc_auc_one_vs_rest(
    labels: &[i64],
    scores: &[f64],
    num_classes: usize,
) -> Result<ClassRocAucs, MetricError> {
    for (example, label) in labels.iter().enumerate() {
        class_index("labels", example, *label, num_classes)?;
    }
    by_class(labels.len(), scores, num_classes, |example, class| labels[example] == class as i64)
}

/// The area of each class, for examples of any number of classes. `labels` and `scores` hold a row of `num_classes` for
/// each example. The micro average of scikit-learn is [`roc_auc`] of `labels` and `scores` as they are.
///
/// # Errors
/// [`MetricError::Length`] and [`MetricError::NotFinite`] for what does not fit.
pub fn roc_auc_multi_label(
    labels: &[bool],
    scores: &[f64],
    num_classes: usize,
) -> Result<ClassRocAucs, MetricError> {
    let examples = labels.len().checked_div(num_classes).unwrap_or(0);
    check_length("labels", labels.len(), examples * num_classes)?;
    by_class(examples, scores, num_classes, |example, class| labels[example * num_classes + class])
}

fn by_class(
    examples: usize,
    scores: &[f64],
    num_classes: usize,
    has_class: impl Fn(usize, usize) -> bool,
) -> Result<ClassRocAucs, MetricError> {
    check_length("scores", scores.len(), examples * num_classes)?;
    check_finite("scores", scores)?;
    let mut classes = Vec::with_capacity(num_classes);
    for class in 0..num_classes {
        let is_positive: Vec<bool> = (0..examples).map(|at| has_class(at, class)).collect();
        let column: Vec<f64> = (0..examples).map(|at| scores[at * num_classes + class]).collect();
        classes.push(roc_auc(&is_positive, &column)?);
    }
    let areas: Vec<f64> = classes.iter().flatten().copied().collect();
    let left_out = num_classes - areas.len();
    let macro_average = (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64);
    Ok(ClassRocAucs { classes, macro_average, left_out })
}
