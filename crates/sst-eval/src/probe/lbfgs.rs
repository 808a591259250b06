//! L-BFGS: minimises a smooth function by its value and gradient (Liu and Nocedal 1989, "On the limited memory BFGS method
//! for large scale optimization"; Nocedal and Wright 2006, "Numerical Optimization", algorithms 7.4 and 7.5).

use std::collections::VecDeque;

/// Corrections that approximate the Hessian, as many as in SciPy.
const MEMORY: usize = 10;

/// A step must reach this share of the decrease that the slope at its start promises (condition of Armijo).
const DECREASE: f64 = 1e-4;

/// A step must reduce the slope to this share of the one at its start (condition of Wolfe).
const CURVATURE: f64 = 0.9;

/// Values that differ by less than this share are equal as far as rounding lets one see.
const ROUNDING: f64 = 1e-12;

/// Steps that a line search tries. Once the interval is bounded, every third one halves it.
const TRIES: usize = 90;

/// Where a minimisation ended.
#[derive(Debug)]
pub(super) struct Minimum {
    pub(super) at: Vec<f64>,
    pub(super) value: f64,
    /// The greatest absolute entry of the gradient; NaN if there is one.
    pub(super) gradient: f64,
    pub(super) iterations: usize,
}

/// A point with the value and the gradient of the function there.
struct Point {
    at: Vec<f64>,
    value: f64,
    gradient: Vec<f64>,
}

/// A step `s`, the change `y` of the gradient over it, and `1 / (s . y)`.
struct Correction {
    s: Vec<f64>,
    y: Vec<f64>,
    inverse: f64,
}

/// Minimises `function`, which returns value and gradient, from `start` on, in `max_iterations` steps at most. It ends
/// where `is_minimum` says so of the value and the greatest absolute entry of the gradient, or where rounding leaves no step
/// that decreases the value; the caller asks again which of them it was.
///
/// # Errors
/// Those of `function`.
pub(super) fn minimize<E>(
    start: Vec<f64>,
    max_iterations: usize,
    is_minimum: impl Fn(f64, f64) -> bool,
    mut function: impl FnMut(&[f64]) -> Result<(f64, Vec<f64>), E>,
) -> Result<Minimum, E> {
    let (value, gradient) = function(&start)?;
    let mut point = Point { at: start, value, gradient };
    let mut corrections: VecDeque<Correction> = VecDeque::new();
    let mut iterations = 0;
    while iterations < max_iterations && !is_minimum(point.value, greatest(&point.gradient)) {
        let direction = descent(&point.gradient, &corrections);
        // The gradient alone says nothing of the length of a step.
        let step = if corrections.is_empty() { (1.0 / norm(&direction)).min(1.0) } else { 1.0 };
        match line_search(&point, &direction, step, &mut function)? {
            Some(next) => {
                corrections.extend(correction(&point, &next));
                if corrections.len() > MEMORY {
                    corrections.pop_front();
                }
                point = next;
                iterations += 1;
            }
            None if corrections.is_empty() => break,
            // Corrections that rounding has spoilt may give a direction that does not descend.
            None => corrections.clear(),
        }
    }
    let Point { at, value, gradient } = point;
    Ok(Minimum { at, value, gradient: greatest(&gradient), iterations })
}

/// The direction `-H g` (the recursion of two loops, algorithm 7.4).
fn descent(gradient: &[f64], corrections: &VecDeque<Correction>) -> Vec<f64> {
    let mut direction: Vec<f64> = gradient.iter().map(|g| -g).collect();
    let mut weights = Vec::with_capacity(corrections.len());
    for Correction { s, y, inverse } in corrections.iter().rev() {
        let weight = inverse * dot(s, &direction);
        add(&mut direction, -weight, y);
        weights.push(weight);
    }
    if let Some(Correction { y, inverse, .. }) = corrections.back() {
        let scale = 1.0 / (inverse * dot(y, y));
        direction.iter_mut().for_each(|x| *x *= scale);
    }
    for (Correction { s, y, inverse }, weight) in corrections.iter().zip(weights.iter().rev()) {
        let factor = weight - inverse * dot(y, &direction);
        add(&mut direction, factor, s);
    }
    direction
}

/// The correction of a step; `None` where the curvature is not positive beyond rounding, which would make the
/// approximation of the Hessian indefinite.
fn correction(from: &Point, to: &Point) -> Option<Correction> {
    let difference = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect();
    let s: Vec<f64> = difference(&to.at, &from.at);
    let y: Vec<f64> = difference(&to.gradient, &from.gradient);
    let curvature = dot(&s, &y);
    let is_positive = curvature > f64::EPSILON * norm(&s) * norm(&y);
    is_positive.then(|| Correction { s, y, inverse: 1.0 / curvature })
}

/// A point along `direction` that meets the weak conditions of Wolfe; `None` if there is none that rounding lets one see.
///
/// Keeps an interval that holds such a point and narrows it (Lewis and Overton 2013, "Nonsmooth optimization via
/// quasi-Newton methods", algorithm 4.6), by the secant of the slopes rather than by halves. Near the minimum, where
/// values are equal but for rounding, the slope decides on the decrease (Hager and Zhang 2005, "A new conjugate gradient
/// method with guaranteed descent and an efficient line search").
fn line_search<E>(
    from: &Point,
    direction: &[f64],
    first: f64,
    function: &mut impl FnMut(&[f64]) -> Result<(f64, Vec<f64>), E>,
) -> Result<Option<Point>, E> {
    let start_slope = dot(&from.gradient, direction);
    if start_slope >= 0.0 || !start_slope.is_finite() {
        return Ok(None);
    }
    let (mut low, mut low_slope) = (0.0, start_slope);
    let mut high: Option<(f64, f64)> = None;
    let mut step = first;
    for tried in 0..TRIES {
        let mut at = from.at.clone();
        add(&mut at, step, direction);
        let (value, gradient) = function(&at)?;
        let slope = dot(&gradient, direction);
        let decreases = value <= from.value + DECREASE * step * start_slope;
        let equals = value <= from.value + ROUNDING * from.value.abs()
            && slope <= (2.0 * DECREASE - 1.0) * start_slope;
        if !(slope.is_finite() && (decreases || equals)) {
            high = Some((step, slope));
        } else if slope < CURVATURE * start_slope {
            (low, low_slope) = (step, slope);
        } else {
            return Ok(Some(Point { at, value, gradient }));
        }
        step = match high {
            None => 4.0 * step,
            Some((high, _)) if tried % 3 == 2 => f64::midpoint(low, high),
            Some((high, slope)) => between((low, low_slope), (high, slope)),
        };
    }
    Ok(None)
}

/// Where the line through two slopes is zero, kept away from the ends of the interval; its middle where there is none.
fn between((low, low_slope): (f64, f64), (high, high_slope): (f64, f64)) -> f64 {
    let share = -low_slope / (high_slope - low_slope);
    let share = if share.is_finite() && high_slope > 0.0 { share.clamp(0.1, 0.9) } else { 0.5 };
    low + share * (high - low)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

/// The greatest absolute entry; NaN if there is one.
fn greatest(a: &[f64]) -> f64 {
    a.iter()
        .fold(0.0, |greatest, x| if x.abs() > greatest || x.is_nan() { x.abs() } else { greatest })
}

fn add(to: &mut [f64], factor: f64, x: &[f64]) {
    to.iter_mut().zip(x).for_each(|(to, x)| *to += factor * x);
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    fn found(
        start: Vec<f64>,
        max_iterations: usize,
        tolerance: f64,
        function: impl Fn(&[f64]) -> (f64, Vec<f64>),
    ) -> Minimum {
        let is_minimum = |_, gradient| gradient <= tolerance;
        minimize(start, max_iterations, is_minimum, |x| Ok::<_, Infallible>(function(x))).unwrap()
    }

    /// Rosenbrock's valley, whose minimum is at (1, 1).
    fn rosenbrock(x: &[f64]) -> (f64, Vec<f64>) {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        (a * a + 100.0 * b * b, vec![-2.0 * a - 400.0 * x[0] * b, 200.0 * b])
    }

    #[test]
    fn it_finds_the_end_of_a_curved_valley() {
        let minimum = found(vec![-1.2, 1.0], 500, 1e-9, rosenbrock);
        assert!(minimum.gradient <= 1e-9 && minimum.iterations < 100, "{minimum:?}");
        assert!(minimum.at.iter().all(|x| (x - 1.0).abs() < 1e-8), "{minimum:?}");
    }

    #[test]
    fn it_finds_the_minimum_of_a_quadratic_of_bad_condition() {
        // sum of k^3 (x_k - k)^2 / 2 + 1000, in 40 dimensions: curvatures from 1 to 64,000, and a value whose last digits
        // are lost.
        let quadratic = |x: &[f64]| {
            let terms = x.iter().zip(1..).map(|(x, k)| (f64::from(k).powi(3), x - f64::from(k)));
            let value = terms.clone().map(|(a, e)| a * e * e / 2.0).sum::<f64>() + 1e3;
            (value, terms.map(|(a, e)| a * e).collect())
        };
        let minimum = found(vec![0.0; 40], 5000, 1e-9, quadratic);
        assert!(minimum.gradient <= 1e-9, "{minimum:?}");
        for (x, k) in minimum.at.iter().zip(1..) {
            assert!((x - f64::from(k)).abs() < 1e-8, "{minimum:?}");
        }
    }

    #[test]
    fn steps_that_run_out_and_rounding_that_stops_are_told_by_the_gradient() {
        let minimum = found(vec![-1.2, 1.0], 3, 1e-9, rosenbrock);
        assert_eq!(minimum.iterations, 3);
        assert!(minimum.gradient > 1e-9);
        // No gradient is as small as this, but it ends.
        let noisy = |x: &[f64]| ((x[0] - 0.3).cosh() + 1e6, vec![(x[0] - 0.3).sinh().max(1e-7)]);
        let minimum = found(vec![5.0], 100_000, 0.0, noisy);
        assert!(minimum.gradient >= 1e-7 && minimum.iterations < 100_000, "{minimum:?}");
    }

    #[test]
    fn a_step_out_of_the_domain_is_taken_back() {
        // The first step leads to -0.05, where the logarithm is NaN.
        let steep = |x: &[f64]| {
            (-x[0].ln() - 3.0 * (1.0 - x[0]).ln(), vec![-1.0 / x[0] + 3.0 / (1.0 - x[0])])
        };
        let minimum = found(vec![0.95], 500, 1e-9, steep);
        assert!((minimum.at[0] - 0.25).abs() < 1e-9, "{minimum:?}");
    }
}
