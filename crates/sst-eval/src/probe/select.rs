//! The choice of the regularisation C on a split of the training part.

use super::data::Labelled;
use super::error::ProbeError;
use super::folds::stratified_folds;
use super::logistic::{Convergence, LogisticOptions, Training};

/// How C is chosen.
#[derive(Debug, Clone, PartialEq)]
pub struct SelectionOptions {
    /// The values of C to choose from, ascending.
    pub grid: Vec<f64>,
    /// Into how many folds the training part is split.
    pub folds: usize,
    /// On how many of the folds each C is validated, after training on all other folds: 1 is a single split, and as many as
    /// there are folds is cross-validation.
    pub validated: usize,
    /// The seed of the split.
    pub seed: u64,
}

impl Default for SelectionOptions {
    /// 1e-5 to 100 by powers of ten, validated on one fifth. For standardised features 100 is next to no regularisation.
    fn default() -> Self {
        let grid = (-5..=2).map(|power| 10_f64.powi(power)).collect();
        Self { grid, folds: 5, validated: 1, seed: 0 }
    }
}

/// A value of C and how it did.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The value.
    pub c: f64,
    /// The accuracy on a validation fold, averaged over the folds.
    pub accuracy: f64,
    /// The training that ended farthest from its optimum, of one a fold.
    pub convergence: Convergence,
}

/// An end of the grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GridEnd {
    /// The chosen C is the smallest: stronger regularisation may be better, or no C makes a difference.
    Smallest,
    /// The chosen C is the largest: weaker regularisation may be better.
    Largest,
}

/// The C that was chosen, and from what.
#[derive(Debug, Clone, PartialEq)]
pub struct Selection {
    /// The C of the greatest accuracy; of equally good ones the smallest, as in scikit-learn's `LogisticRegressionCV`.
    pub c: f64,
    /// Every C of the grid, ascending.
    pub candidates: Vec<Candidate>,
    /// Whether C lies at an end of a grid of several values, which should then be widened.
    pub end: Option<GridEnd>,
    /// Classes that have rows, but fewer than there are folds: some folds train or validate without them.
    pub rare_classes: usize,
}

/// Chooses C on folds of the training part that are drawn with the seed, each with its share of every class. The part that
/// the probe is measured on must not be in `train`. Features are standardised for each fold with the rows that are
/// trained on alone. `logistic.c` is not looked at.
///
/// # Errors
/// If the grid, the number of folds or another option cannot be, there are fewer rows than folds, all rows that are
/// trained on are of one class, or libtorch fails.
pub fn select_c(
    train: &Labelled,
    options: &SelectionOptions,
    logistic: &LogisticOptions,
) -> Result<Selection, ProbeError> {
    let fold_of = stratified_folds(train.labels(), options.folds, options.seed)?;
    select_c_on(train, &fold_of, options, logistic)
}

/// [`select_c`] on given folds: `fold_of` has for each row a number below `options.folds`. The seed is not looked at.
///
/// # Errors
/// As [`select_c`], and if there is not one fold a row or a fold is empty.
pub fn select_c_on(
    train: &Labelled,
    fold_of: &[usize],
    options: &SelectionOptions,
    logistic: &LogisticOptions,
) -> Result<Selection, ProbeError> {
    let SelectionOptions { grid, folds, validated, .. } = options;
    let is_positive = grid.iter().all(|c| *c > 0.0 && c.is_finite());
    if grid.is_empty() || !is_positive || !grid.is_sorted_by(|a, b| a < b) {
        let reason = format!("{grid:?} is not a list of ascending finite numbers above 0");
        return Err(ProbeError::Option { key: "grid", reason });
    }
    if !(1..=*folds).contains(validated) {
        let reason = format!("{validated} of {folds} folds cannot be validated on");
        return Err(ProbeError::Option { key: "validated", reason });
    }
    if fold_of.len() != train.rows() {
        let (found, expected) = (fold_of.len(), train.rows());
        return Err(ProbeError::Count { what: "numbers of folds", found, expected });
    }
    let mut sums = vec![0.0; grid.len()];
    let mut worst: Vec<Option<Convergence>> = vec![None; grid.len()];
    for fold in 0..*validated {
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            (0..train.rows()).partition(|row| fold_of[*row] == fold);
        let validation = train.select(&inside)?;
        let training = Training::new(&train.select(&outside)?, logistic)?;
        let mut last = None;
        for (place, c) in grid.iter().enumerate() {
            let probe = training.fit(*c, last.as_ref())?;
            sums[place] += probe.accuracy(&validation)?;
            let found = probe.convergence();
            let is_worse = |other: &Convergence| found.gradient > other.gradient;
            if worst[place].as_ref().is_none_or(is_worse) {
                worst[place] = Some(found);
            }
            last = Some(probe);
        }
    }
    let accuracies = sums.into_iter().map(|sum| sum / *validated as f64);
    let candidates: Vec<Candidate> = grid
        .iter()
        .zip(accuracies)
        .zip(worst)
        .filter_map(|((c, accuracy), convergence)| {
            Some(Candidate { c: *c, accuracy, convergence: convergence? })
        })
        .collect();
    let best = candidates.iter().fold(0.0_f64, |best, candidate| best.max(candidate.accuracy));
    // Means of the same counts may differ in their last digit.
    let is_best = |candidate: &Candidate| candidate.accuracy > best - 1e-9;
    let place = candidates.iter().position(is_best).unwrap_or(0);
    let rare = |count: &&usize| (1..*folds).contains(*count);
    Ok(Selection {
        c: grid[place],
        end: match place {
            _ if grid.len() == 1 => None,
            0 => Some(GridEnd::Smallest),
            _ if place + 1 == grid.len() => Some(GridEnd::Largest),
            _ => None,
        },
        rare_classes: train.class_counts().iter().filter(rare).count(),
        candidates,
    })
}
