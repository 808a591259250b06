//! How well two series of figures go together.

/// Pearson's correlation coefficient, from -1 to 1; `None` where there is none: with fewer than two pairs, where one
/// series is always the same, or where a figure is NaN or infinite.
///
/// The slices are read side by side, up to the shorter one's end.
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
    // Figures that are all the same may differ from their mean by its rounding.
    let varies = |figures: &[f64]| figures.iter().any(|figure| *figure != figures[0]);
    let correlation = xy / (xx.sqrt() * yy.sqrt());
    (varies(x) && varies(y) && correlation.is_finite()).then(|| correlation.clamp(-1.0, 1.0))
}

/// Spearman's correlation coefficient: Pearson's of the [`ranks`]. `None` where there is none, as there, except that
/// infinite figures have ranks.
///
/// The slices are read side by side, up to the shorter one's end.
pub fn spearman(x: &[f64], y: &[f64]) -> Option<f64> {
    let count = x.len().min(y.len());
    let (x, y) = (&x[..count], &y[..count]);
    if x.iter().chain(y).any(|figure| figure.is_nan()) {
        return None;
    }
    pearson(&ranks(x), &ranks(y))
}

/// The rank of each figure, 1 for the smallest; equal ones share the mean of their ranks.
pub fn ranks(figures: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..figures.len()).collect();
    order.sort_by(|a, b| figures[*a].total_cmp(&figures[*b]));
    let mut ranks = vec![0.0; figures.len()];
    let mut before = 0;
    for equal in order.chunk_by(|a, b| figures[*a] == figures[*b]) {
        // The mean of before + 1 to before + the number of equals.
        let rank = before as f64 + (equal.len() + 1) as f64 / 2.0;
        equal.iter().for_each(|place| ranks[*place] = rank);
        before += equal.len();
    }
    ranks
}

fn mean(figures: &[f64]) -> Option<f64> {
    (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
}
