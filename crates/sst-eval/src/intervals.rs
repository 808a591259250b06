//! Intervals of the figures of an evaluator, by a bootstrap over its examples.

use sst_core::Terms;

use crate::metric::{Bootstrap, BootstrapInterval, MetricError, PairedComparison, check_length};

/// Draws the intervals of figures, if any are wanted.
pub(crate) struct Intervals(Option<Bootstrap>);

impl Intervals {
    /// Intervals by this number of samples; none for 0.
    pub(crate) fn of(samples: usize) -> Self {
        Self((samples > 0).then(|| Bootstrap { samples, ..Bootstrap::default() }))
    }

    /// Adds the figure `name` of `examples` examples to `metrics`, with its interval as `NAME_low` and `NAME_high`.
    pub(crate) fn add(
        &self,
        metrics: &mut Vec<(String, f64)>,
        name: &str,
        examples: usize,
        mut figure: impl FnMut(&[usize]) -> Option<f64>,
    ) -> Result<(), MetricError> {
        let drawn: Option<BootstrapInterval> = match &self.0 {
            Some(bootstrap) => bootstrap.interval(examples, &mut figure)?,
            None => None,
        };
        match drawn {
            Some(drawn) => {
                metrics.push((name.to_owned(), drawn.estimate));
                metrics.push((format!("{name}_low"), drawn.interval.low));
                metrics.push((format!("{name}_high"), drawn.interval.high));
            }
            None => {
                let all: Vec<usize> = (0..examples).collect();
                metrics.extend(figure(&all).map(|estimate| (name.to_owned(), estimate)));
            }
        }
        Ok(())
    }
}

/// The interval of a figure whose terms are known for each example: see [`sst_core::Report::examples`]. `None` if there is
/// no example, or the sums below the line are 0.
///
/// # Errors
/// If a term is NaN or infinite.
pub fn interval_of(
    terms: &[Terms],
    bootstrap: &Bootstrap,
) -> Result<Option<BootstrapInterval>, MetricError> {
    bootstrap.interval(terms.len(), |sample| ratio(terms, sample))
}

/// Compares a figure of two models on the same examples. `None` as for [`interval_of`].
///
/// # Errors
/// If there are not as many examples of the second model, or a term is NaN or infinite.
pub fn compare(
    first: &[Terms],
    second: &[Terms],
    bootstrap: &Bootstrap,
) -> Result<Option<PairedComparison>, MetricError> {
    check_length("examples of the second model", second.len(), first.len())?;
    bootstrap.compare(first.len(), |sample| ratio(first, sample).zip(ratio(second, sample)))
}

/// The figure of a sample. An F1 without any entity is 0.
fn ratio(terms: &[Terms], sample: &[usize]) -> Option<f64> {
    let sums = sample.iter().map(|at| terms[*at]);
    let (above, below) = sums.fold((0.0, 0.0), |sum, term| (sum.0 + term.0, sum.1 + term.1));
    (below != 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_the_ratio_of_the_sums_and_not_the_mean_of_ratios() {
        let terms = [(2.0, 2.0), (0.0, 6.0)];
        let bootstrap = Bootstrap { samples: 100, ..Bootstrap::default() };
        let found = interval_of(&terms, &bootstrap).unwrap().unwrap();
        assert_eq!(found.estimate, 0.25);
        assert_eq!((found.interval.low, found.interval.high), (0.0, 1.0));
        assert!(interval_of(&[], &bootstrap).unwrap().is_none());
    }

    #[test]
    fn models_are_compared_on_the_same_examples() {
        let bootstrap = Bootstrap { samples: 200, ..Bootstrap::default() };
        let first: Vec<Terms> = (0..40).map(|at| (f64::from(at % 2), 1.0)).collect();
        let same = compare(&first, &first, &bootstrap).unwrap().unwrap();
        assert_eq!((same.difference.estimate, same.p_value), (0.0, 1.0));
        let better: Vec<Terms> = first.iter().map(|_| (1.0, 1.0)).collect();
        let found = compare(&better, &first, &bootstrap).unwrap().unwrap();
        assert!((found.difference.estimate - 0.5).abs() < 1e-12 && found.p_value < 0.01);
        assert!(compare(&first, &first[1..], &bootstrap).is_err());
    }
}
