//! The standard normal distribution.

use std::f64::consts::PI;

/// The number that a standard normal variable is above with the probability `tail`, from 1e-18 to 0.5, by Newton's method
/// on the logarithm of the tail. That is concave, so all steps after the first one come from one side.
pub(super) fn upper_quantile(tail: f64) -> f64 {
    let mut z = 0.0;
    for _ in 0..100 {
        let upper = upper_tail(z);
        let step = (upper / tail).ln() * upper / density(z);
        // The first step may go far beyond; the tail of 9 is 1e-19.
        z = (z + step).min(9.0);
        if step.abs() <= 1e-15 * z {
            break;
        }
    }
    z
}

fn density(z: f64) -> f64 {
    (-z * z / 2.0).exp() / (2.0 * PI).sqrt()
}

/// The probability of a number above `z`, which is not negative.
fn upper_tail(z: f64) -> f64 {
    if z < 3.0 {
        // The series of odd powers (Marsaglia 2004, "Evaluating the Normal Distribution", section 2).
        let (mut term, mut sum, mut power) = (z, z, 1.0);
        while term > 1e-18 * sum {
            power += 2.0;
            term *= z * z / power;
            sum += term;
        }
        return 0.5 - sum * density(z);
    }
    // The continued fraction of Laplace, from its inner end: z + 1 / (z + 2 / (z + 3 / ...)).
    let fraction = (1..=200).rev().fold(z, |inner, k| z + f64::from(k) / inner);
    density(z) / fraction
}
