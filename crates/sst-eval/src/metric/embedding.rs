//! Metrics of sentence vectors without labels (Wang and Isola 2020, "Understanding Contrastive Representation Learning
//! through Alignment and Uniformity on the Hypersphere", section 4.1).
//!
//! Vectors are rows of `width` numbers, one after the other, and should have length 1. A last row that is not whole is
//! left out.

/// The factor of uniformity, `t`, that the paper uses.
const T: f64 = 2.0;

/// Numbers whose squares are summed side by side.
const LANES: usize = 8;

/// The mean of `||x - y||^2` over vectors that belong together, row by row up to the shorter one's end: the paper's
/// alignment loss with alpha = 2, from 0 (the same) to 4 (opposite); lower is better. `None` if there are none.
pub fn alignment(x: &[f32], y: &[f32], width: usize) -> Option<f64> {
    let (x, y) = (rows(x, width), rows(y, width));
    let count = x.len().min(y.len());
    let sum: f64 = x.zip(y).map(|(x, y)| squared_distance(x, y)).sum();
    (count > 0).then(|| sum / count as f64)
}

/// The logarithm of the mean of `exp(-2 ||x - y||^2)` over all pairs of different rows: the paper's uniformity loss
/// with t = 2 as its code has it, which pairs no row with itself. From -8 to 0 (all the same); lower is better. `None`
/// if there is no pair. Takes time that grows with the square of the number of rows.
pub fn uniformity(x: &[f32], width: usize) -> Option<f64> {
    let rows = rows(x, width);
    let count = rows.len() as f64;
    let pairs = count * (count - 1.0) / 2.0;
    let mut sum = 0.0;
    let mut after = rows.clone();
    for x in rows {
        after.next();
        sum += after.clone().map(|y| (-T * squared_distance(x, y)).exp()).sum::<f64>();
    }
    (pairs > 0.0).then(|| (sum / pairs).ln())
}

fn rows(numbers: &[f32], width: usize) -> std::slice::ChunksExact<'_, f32> {
    numbers.chunks_exact(width.max(1))
}

fn squared_distance(x: &[f32], y: &[f32]) -> f64 {
    let square = |x: f32, y: f32| {
        let difference = f64::from(x) - f64::from(y);
        difference * difference
    };
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for (x, y) in x.iter().zip(y) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum += square(*x, *y);
        }
    }
    let rest = x_rest.iter().zip(y_rest).map(|(x, y)| square(*x, *y));
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}
