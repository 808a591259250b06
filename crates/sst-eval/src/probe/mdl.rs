//! The online (prequential) code of labels, a probe's description length (Voita and Titov 2020, "Information-Theoretic Probing
//! with Minimum Description Length"): how many bits it takes to send the labels to someone who has the
//! vectors, by a probe that is trained again on all that was sent before.

use tch::Tensor;

use super::data::Labelled;
use super::error::ProbeError;
use super::logistic::{Convergence, Logistic, LogisticOptions};
use super::standardize::Standardizer;

/// Which portions are sent, and how the probe is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineCodeOptions {
    /// The ends of the portions as shares of all rows, ascending to 1. An end is rounded down to a whole row; portions that
    /// are empty then are left out.
    pub fractions: Vec<f64>,
    /// The probe. `c` is used for every portion. If it was chosen from g values by looking at these rows, sending which one
    /// it is takes log2(g) bits more, which are not counted here.
    pub logistic: LogisticOptions,
}

impl Default for OnlineCodeOptions {
    /// The portions of the paper, from a thousandth on.
    fn default() -> Self {
        let fractions =
            vec![0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.0625, 0.125, 0.25, 0.5, 1.0];
        Self { fractions, logistic: LogisticOptions::default() }
    }
}

/// A portion of the rows and its code.
#[derive(Debug, Clone, PartialEq)]
pub struct Portion {
    /// Rows that were sent before it, which its probe is trained on.
    pub before: usize,
    /// Its rows.
    pub rows: usize,
    /// The length of their code.
    pub bits: f64,
    /// Classes that no row before it has.
    pub absent_classes: usize,
    /// Whether the probe reached its optimum; `None` if there is none, because no row was sent before or all were of one
    /// class.
    pub convergence: Option<Convergence>,
}

/// The code of all labels.
#[derive(Debug, Clone, PartialEq)]
pub struct OnlineCode {
    /// The length of the code, in bits.
    pub bits: f64,
    /// The length of the code that holds all classes for equally likely, `n log2(classes)` bits.
    pub uniform_bits: f64,
    /// Each portion, in order.
    pub portions: Vec<Portion>,
}

impl OnlineCode {
    /// How many times shorter the code is than the uniform one; 1 if there is but one class.
    pub fn compression(&self) -> f64 {
        if self.bits > 0.0 { self.uniform_bits / self.bits } else { 1.0 }
    }
}

/// The online code of the labels of `data`, whose rows are sent in `order` (a permutation of the rows, such as that of
/// [`shuffled_rows`](super::shuffled_rows): rows that are sorted by class would give a meaningless code):
///
/// `L = t_1 log2 K - sum over i of log2 p_i(y of rows t_i + 1 to t_(i + 1) | x)`
///
/// for K classes and portions that end at rows `t_i`, where `p_i` is the probe that was trained on the first `t_i` rows.
/// If the probe standardises, then with the mean and the deviation of all rows: the code is that of the labels for someone
/// who has all vectors, and the first few rows alone would give deviations that explode in the next portion.
///
/// The paper's neural probe gives every class some probability. Logistic regression gives none to a class that it has not
/// seen, whose first row would have an infinite code. Where the first t rows lack a class, the code of the next portion is
/// therefore that of `(t p_i + 1 / K) / (t + 1)`, which counts the uniform code like one row; if they are all of one class,
/// `p_i` gives that one probability 1.
///
/// # Errors
/// If there is no row, `order` is no permutation of them, the fractions do not ascend from above 0 to 1, an option of the
/// probe cannot be, or libtorch fails.
pub fn online_code(
    data: &Labelled,
    order: &[usize],
    options: &OnlineCodeOptions,
) -> Result<OnlineCode, ProbeError> {
    check_order(data.rows(), order)?;
    let ends = ends(&options.fractions, data.rows())?;
    let standardized;
    let data = if options.logistic.standardize {
        let features_nd = Standardizer::fit(data.features_nd())?.apply(data.features_nd())?;
        standardized = Labelled::new(&features_nd, data.labels(), data.classes())?;
        &standardized
    } else {
        data
    };
    let logistic = LogisticOptions { standardize: false, ..options.logistic.clone() };
    let uniform = (data.classes() as f64).log2();
    let mut portions = Vec::with_capacity(ends.len());
    let mut before = 0;
    for end in ends {
        let portion = data.select(&order[before..end])?;
        portions.push(if before == 0 {
            let bits = end as f64 * uniform;
            let absent_classes = data.classes();
            Portion { before, rows: end, bits, absent_classes, convergence: None }
        } else {
            send(&data.select(&order[..before])?, &portion, &logistic)?
        });
        before = end;
    }
    let bits = portions.iter().map(|portion| portion.bits).sum();
    Ok(OnlineCode { bits, uniform_bits: data.rows() as f64 * uniform, portions })
}

/// The code of `portion` for someone who has the labels of `seen`.
fn send(
    seen: &Labelled,
    portion: &Labelled,
    logistic: &LogisticOptions,
) -> Result<Portion, ProbeError> {
    let counts = seen.class_counts();
    let absent_classes = counts.iter().filter(|count| **count == 0).count();
    let (log_p, convergence): (Vec<f64>, _) = if absent_classes + 1 == seen.classes() {
        let log = |label: &i64| if counts[*label as usize] > 0 { 0.0 } else { f64::NEG_INFINITY };
        (portion.labels().iter().map(log).collect(), None)
    } else {
        let probe = Logistic::fit(seen, logistic)?;
        let labels_n1 = Tensor::from_slice(portion.labels()).f_unsqueeze(1)?;
        let labels_n1 = labels_n1.f_to(portion.features_nd().device())?;
        let log_nk = probe.log_probabilities(portion.features_nd())?;
        let log_n = log_nk.f_gather(1, &labels_n1, false)?.f_squeeze_dim(1)?;
        (Vec::<f64>::try_from(&log_n)?, Some(probe.convergence()))
    };
    let (before, classes) = (seen.rows() as f64, seen.classes() as f64);
    let code = |log_p: &f64| {
        if absent_classes == 0 {
            -log_p / std::f64::consts::LN_2
        } else {
            -((before * log_p.exp() + 1.0 / classes) / (before + 1.0)).log2()
        }
    };
    let bits = log_p.iter().map(code).sum();
    let rows = portion.rows();
    Ok(Portion { before: seen.rows(), rows, bits, absent_classes, convergence })
}

fn check_order(rows: usize, order: &[usize]) -> Result<(), ProbeError> {
    if rows == 0 {
        return Err(ProbeError::Rows { what: "a code", rows, needed: 1 });
    }
    let mut is_in = vec![false; rows];
    for row in order {
        if let Some(is_in) = is_in.get_mut(*row) {
            *is_in = true;
        }
    }
    if order.len() != rows || is_in.contains(&false) {
        let reason = format!("it is not a permutation of the {rows} rows");
        return Err(ProbeError::Option { key: "order", reason });
    }
    Ok(())
}

/// The rows at which portions end, each above the one before.
fn ends(fractions: &[f64], rows: usize) -> Result<Vec<usize>, ProbeError> {
    let is_ascending = fractions.is_sorted_by(|a, b| a < b);
    if !is_ascending || fractions.last() != Some(&1.0) || fractions[0] <= 0.0 {
        let reason = format!("{fractions:?} do not ascend from above 0 to 1");
        return Err(ProbeError::Option { key: "fractions", reason });
    }
    let mut ends: Vec<usize> = fractions.iter().map(|f| (f * rows as f64) as usize).collect();
    ends.dedup();
    ends.retain(|end| *end > 0);
    Ok(ends)
}
