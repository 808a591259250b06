//! Correlation coefficients.

/// Pearson's correlation coefficient, from -1 to 1. `None` if there are fewer than two pairs, all numbers of a slice are
/// equal, or a number is NaN or infinite.
///
/// If the slices differ in length, the end of the longer one is ignored.
pub fn pearson(x: &[f64], y: &[f64]) -> Option<f64> {
    let count = x.len().min(y.len());
    let (x, y) = (&x[..count], &y[..count]);
    let (x_mean, y_mean) = (mean(x)?, mean(y)?);
    let (mut xy, mut xx, mut yy) = (0.0, 0.0, 0.0);
    for (x, y) in x.iter().zip(y) {
        let (dx, dy) = (x - x_mean, y - y_mean);
        xy += dx * dy;
        xx += dx * dx;
        yy += dy * dy;
    }
    // Equal numbers may differ from their mean because the mean is rounded, so their variance may not be exactly 0.
    let varies = |numbers: &[f64]| numbers.iter().any(|number| *number != numbers[0]);
    let correlation = xy / (xx.sqrt() * yy.sqrt());
    (varies(x) && varies(y) && correlation.is_finite()).then(|| correlation.clamp(-1.0, 1.0))
}

/// Spearman's correlation coefficient: [`pearson`] of the [`ranks`]. `None` in the same cases, except that infinite
/// numbers have ranks.
///
/// If the slices differ in length, the end of the longer one is ignored.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    let count = x.len().min(y.len());
    let (x, y) = (&x[..count], &y[..count]);
    if x.iter().chain(y).any(|number| number.is_nan()) {
        return None;
    }
    pearson(&ranks(x), &ranks(y))
}

/// The rank of each number, 1 for the smallest. Equal numbers get the mean of their ranks.
pub fn ranks(numbers: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..numbers.len()).collect();
    order.sort_by(|a, b| numbers[*a].total_cmp(&numbers[*b]));
    let mut ranks = vec![0.0; numbers.len()];
    let mut num_smaller = 0;
    for equal in order.chunk_by(|a, b| numbers[*a] == numbers[*b]) {
        // The mean of the ranks num_smaller + 1 to num_smaller + equal.len().
        let rank = num_smaller as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|index| ranks[*index] = rank);
        num_smaller += equal.len();
    }
    ranks
}

fn mean(numbers: &[f64]) -> Option<f64> {
    (!numbers.is_empty()).then(|| numbers.iter().sum::<f64>() / numbers.len() as f64)
}
