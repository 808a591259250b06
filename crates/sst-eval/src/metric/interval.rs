//! How far a figure may be from the one that endless data would give: intervals, and the comparison of two systems.

use sst_data::SeqRng;

use super::error::{MetricError, check_finite, check_length};
use super::normal::upper_quantile;

/// An interval of a figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The interval of a share, such as an accuracy, of which `successes` of `total` examples are the estimate (Wilson 1927,
/// "Probable Inference, the Law of Succession, and Statistical Inference"). With the share `p`, `n` examples and the
/// quantile `z` of the normal distribution at `(1 + confidence) / 2`:
///
/// `(p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)`
///
/// `None` without examples.
///
/// # Errors
/// [`MetricError::Setting`] for a confidence that is not between 0 and 1, or for more successes than examples.
pub fn wilson_interval(
    successes: u64,
    total: u64,
    confidence: f64,
) -> Result<Option<Interval>, MetricError> {
    check_confidence(confidence)?;
    if successes > total {
        let value = successes as f64;
        return Err(MetricError::Setting { what: "successes", value, wanted: "at most the total" });
    }
    if total == 0 {
        return Ok(None);
    }
    let (n, z) = (total as f64, upper_quantile((1.0 - confidence) / 2.0));
    let share = successes as f64 / n;
    let center = share + z * z / (2.0 * n);
    let width = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let end = |end: f64| (end / (1.0 + z * z / n)).clamp(0.0, 1.0);
    // The ends are exact where nothing or everything succeeds.
    let low = if successes == 0 { 0.0 } else { end(center - width) };
    let high = if successes == total { 1.0 } else { end(center + width) };
    Ok(Some(Interval { low, high }))
}

/// How a bootstrap draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// The number of samples (10,000).
    pub samples: usize,
    /// The share of samples whose figure lies in the interval (0.95).
    pub confidence: f64,
    /// The seed. The same seed draws the same samples.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { samples: 10_000, confidence: 0.95, seed: 0 }
    }
}

/// The interval that a bootstrap gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BootstrapInterval {
    /// The figure of all examples.
    pub estimate: f64,
    /// The percentiles of the samples' figures.
    pub interval: Interval,
    /// The standard deviation of the samples' figures.
    pub standard_error: f64,
    /// The samples without a figure, which are left out: for example an area under the ROC of one class alone.
    pub undefined: usize,
}

/// The comparison of two systems on the same examples.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedComparison {
    /// The figure of the first system without that of the second, and its interval.
    pub difference: BootstrapInterval,
    /// The probability of a difference as great as this, in either direction, between systems that are equally good.
    pub p_value: f64,
}

impl Bootstrap {
    /// The percentile interval of a figure (Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13).
    /// A sample has `examples` positions from 0, drawn with replacement; `figure` computes the figure of the examples at
    /// these positions, or `None` if they have none. The ends are quantiles with linear interpolation, as numpy's.
    ///
    /// `None` if there is no example, if all examples together have no figure, or no sample has one.
    ///
    /// # Errors
    /// [`MetricError::Setting`] for no samples or a confidence that is not between 0 and 1, and
    /// [`MetricError::NotFinite`] for a figure that is NaN or infinite.
    pub fn interval(
        &self,
        examples: usize,
        figure: impl FnMut(&[usize]) -> Option<f64>,
    ) -> Result<Option<BootstrapInterval>, MetricError> {
        Ok(self.draw(examples, figure)?.map(|drawn| self.summary(&drawn)))
    }

    /// The interval of the mean of a score of each example.
    ///
    /// # Errors
    /// As [`interval`](Self::interval).
    pub fn mean_interval(&self, scores: &[f64]) -> Result<Option<BootstrapInterval>, MetricError> {
        check_finite("scores", scores)?;
        self.interval(scores.len(), |sample| Some(mean(scores, sample)))
    }

    /// The difference of a figure between two systems. `figure` computes the figure of each system for the examples at
    /// the positions that it is given, so that both systems always meet the same examples.
    ///
    /// The p-value is the share of samples whose difference is at least as far from the observed one as that is from 0:
    /// `(1 + #{|d* - d| >= |d|}) / (1 + samples)`, which takes the samples' differences around their centre for those of
    /// equally good systems (Berg-Kirkpatrick, Burkett and Klein 2012, "An Empirical Investigation of Statistical
    /// Significance in NLP", section 2.2, here in both directions; the added 1 as in Davison and Hinkley 1997,
    /// "Bootstrap Methods and their Application", section 4.2).
    ///
    /// # Errors
    /// As [`interval`](Self::interval).
    pub fn compare(
        &self,
        examples: usize,
        mut figures: impl FnMut(&[usize]) -> Option<(f64, f64)>,
    ) -> Result<Option<PairedComparison>, MetricError> {
        let difference = |sample: &[usize]| figures(sample).map(|(first, second)| first - second);
        let Some(drawn) = self.draw(examples, difference)? else { return Ok(None) };
        // Differences that are equal but for rounding count as equal.
        let bound = drawn.estimate.abs() * (1.0 - 1e-12);
        let is_as_far = |difference: &&f64| (**difference - drawn.estimate).abs() >= bound;
        let as_far = drawn.figures.iter().filter(is_as_far).count();
        let p_value = (1 + as_far) as f64 / (1 + drawn.figures.len()) as f64;
        Ok(Some(PairedComparison { difference: self.summary(&drawn), p_value }))
    }

    /// The difference of the means of a score of each example.
    ///
    /// # Errors
    /// As [`compare`](Self::compare), and [`MetricError::Length`] if there are not as many scores of both systems.
    pub fn compare_means(
        &self,
        first: &[f64],
        second: &[f64],
    ) -> Result<Option<PairedComparison>, MetricError> {
        check_length("scores of the second system", second.len(), first.len())?;
        check_finite("scores of the first system", first)?;
        check_finite("scores of the second system", second)?;
        self.compare(first.len(), |sample| Some((mean(first, sample), mean(second, sample))))
    }

    fn draw(
        &self,
        examples: usize,
        mut figure: impl FnMut(&[usize]) -> Option<f64>,
    ) -> Result<Option<Drawn>, MetricError> {
        check_confidence(self.confidence)?;
        if self.samples == 0 {
            return Err(MetricError::Setting { what: "samples", value: 0.0, wanted: "1 at least" });
        }
        let mut sample: Vec<usize> = (0..examples).collect();
        let estimate = if examples == 0 { None } else { figure(&sample) };
        let Some(estimate) = estimate else { return Ok(None) };
        check_finite("figures of all examples", [&estimate])?;
        let mut figures = Vec::with_capacity(self.samples);
        for index in 0..self.samples as u64 {
            let mut rng = SeqRng::new(self.seed, "eval.bootstrap", 0, index);
            sample.iter_mut().for_each(|position| *position = rng.below(examples as u64) as usize);
            figures.extend(figure(&sample));
        }
        check_finite("figures of samples", &figures)?;
        figures.sort_by(f64::total_cmp);
        Ok((!figures.is_empty()).then_some(Drawn { estimate, figures }))
    }

    fn summary(&self, drawn: &Drawn) -> BootstrapInterval {
        let Drawn { estimate, figures } = drawn;
        let tail = (1.0 - self.confidence) / 2.0;
        let interval =
            Interval { low: quantile(figures, tail), high: quantile(figures, 1.0 - tail) };
        let count = figures.len() as f64;
        let mean = figures.iter().sum::<f64>() / count;
        let squares: f64 = figures.iter().map(|figure| (figure - mean) * (figure - mean)).sum();
        BootstrapInterval {
            estimate: *estimate,
            interval,
            standard_error: (squares / (count - 1.0).max(1.0)).sqrt(),
            undefined: self.samples - figures.len(),
        }
    }
}

/// The figure of all examples, and those of the samples, in order.
struct Drawn {
    estimate: f64,
    figures: Vec<f64>,
}

fn mean(scores: &[f64], sample: &[usize]) -> f64 {
    sample.iter().map(|position| scores[*position]).sum::<f64>() / sample.len() as f64
}

/// The quantile of sorted figures, which are some, with linear interpolation between neighbours.
fn quantile(figures: &[f64], share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * (figures.len() - 1) as f64;
    let (low, high) = (figures[place.floor() as usize], figures[place.ceil() as usize]);
    low + (high - low) * place.fract()
}

fn check_confidence(confidence: f64) -> Result<(), MetricError> {
    if confidence > 0.0 && confidence < 1.0 {
        return Ok(());
    }
    let wanted = "between 0 and 1";
    Err(MetricError::Setting { what: "the confidence", value: confidence, wanted })
}
