//! Metrics of sentence vectors that need no labels (Wang and Isola 2020, "Understanding Contrastive Representation
//! Learning through Alignment and Uniformity on the Hypersphere", section 4.1).
//!
//! A slice holds vectors of `width` numbers, concatenated; the vectors should have length 1. An incomplete vector at the
//! end is ignored.

/// The factor t of uniformity in the paper.
const T: f64 = 2.0;

/// The number of partial sums of a squared distance, so that the compiler vectorises the loop.
const LANES: usize = 8;

/// The mean of `||x - y||^2` over pairs of vectors: the paper's alignment loss with alpha = 2. It is from 0 (all pairs
/// equal) to 4 (all pairs opposite); lower is better. `None` if there are no pairs. If there are more vectors on one
/// side, its last ones are ignored.
pub fn alignment(x: &[f32], y: &[f32], width: usize) -> Option<f64> {
    let (x, y) = (rows(x, width), rows(y, width));
    let count = x.len().min(y.len());
    let sum: f64 = x.zip(y).map(|(x, y)| squared_distance(x, y)).sum();
    (count > 0).then(|| sum / count as f64)
}

/// The logarithm of the mean of `exp(-2 ||x - y||^2)` over all pairs of two different rows: the uniformity loss with t = 2
/// as in the paper's code, which does not pair a row with itself. It is from -8 to 0 (all rows equal); lower is better.
/// `None` if there are fewer than two rows. The time grows with the square of the number of rows.
pub fn uniformity(x: &[f32], width: usize) -> Option<f64> {
    let rows = rows(x, width);
    let count = rows.len() as f64;
    let pairs = count * (count - 1.0) / 2.0;
    let mut sum = 0.0;
    let mut later_rows = rows.clone();
    for x in rows {
        later_rows.next();
        sum += later_rows.clone().map(|y| (-T * squared_distance(x, y)).exp()).sum::<f64>();
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
