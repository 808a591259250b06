//! Ranges and round tick marks for the axes of charts, for any numbers.

/// A range that is smaller than this fraction of its numbers cannot be drawn, nor be represented by floating-point
/// numbers.
const LEAST_SPAN: f64 = 1e-9;
/// Larger numbers are drawn as this one, because their differences would overflow.
const MOST: f64 = 1e300;

/// The smallest and the largest of the finite `values`, widened if they are equal. `0..1` if there is no finite value.
pub fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let values = values.filter(|value| value.is_finite()).map(|value| value.clamp(-MOST, MOST));
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let size = low.abs().max(high.abs());
    if high - low > (LEAST_SPAN * size).max(f64::MIN_POSITIVE / LEAST_SPAN) {
        return (low, high);
    }
    let around = 0.5 * size.max(1e-6);
    (low - around, high + around)
}

/// Three to seven round numbers within the result of [`range`], and the step between them.
pub fn ticks((low, high): (f64, f64)) -> (Vec<f64>, f64) {
    let raw = (high - low) / 5.0;
    let power = 10_f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|f| f * power).find(|s| *s >= raw);
    let step = step.unwrap_or(10.0 * power);
    let (first, last) = ((low / step).ceil(), (high / step).floor());
    let count = (last - first).clamp(0.0, 16.0) as u32;
    (
        (0..=count).map(|i| (first + f64::from(i)) * step).filter(|tick| *tick <= high).collect(),
        step,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(ticks((0.0, 10.0)), (vec![0.0, 2.0, 4.0, 6.0, 8.0, 10.0], 2.0));
        assert_eq!(ticks((3.4, 8.3)).0, [4.0, 5.0, 6.0, 7.0, 8.0]);
    }

    #[test]
    fn every_set_of_numbers_has_an_axis() {
        let (tiny, huge) = (f64::from_bits(1), f64::MAX);
        for values in [
            vec![],
            vec![0.0, tiny],
            vec![tiny, tiny],
            vec![-huge, huge],
            vec![huge, huge],
            vec![1e308, 1e308 * (1.0 + f64::EPSILON)],
            vec![1.0, 1.0 + f64::EPSILON],
            vec![0.0, f64::MIN_POSITIVE],
            vec![1e18, 1e18 + 256.0],
            vec![f64::NAN, f64::INFINITY, 3.0],
            vec![0.0, 1e-9],
            vec![1e6, 3.7e6],
            vec![-5.0, 0.1],
        ] {
            let (low, high) = range(values.iter().copied());
            assert!(low < high && (high - low).is_finite(), "{values:?}: {low} {high}");
            let (ticks, step) = ticks((low, high));
            assert!((2..=8).contains(&ticks.len()) && step > 0.0, "{values:?}: {ticks:?}");
            assert!(ticks.iter().all(|tick| (low..=high).contains(tick)), "{values:?}: {ticks:?}");
        }
    }
}
