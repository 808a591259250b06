//! Logistic regression on frozen vectors, the classifier of a linear probe.
//!
//! The crate `linfa-logistic` 0.8.1 was measured for this and not taken. On one core of an Intel Xeon, with 2,000 rows of 256
//! features, 10 classes and C = 100, it stopped after 160 s, 43 % above the optimum that this solver reaches in 8 s, and
//! gave no sign of it: what it returns does not tell whether it converged. With 50,000 rows of 768 features, 10 classes
//! and C = 1 it took 73 s to a gradient of 6e-5; this solver takes 12 s to 1e-4 and 22 s to 1e-6, and scikit-learn 12 s
//! and 24 s.
//!
//! Shapes: n rows of the training part, m rows of any part, d features, k rows of weights.

use tch::{Kind, Tensor};

use super::data::{Labelled, check_features, chunks};
use super::error::ProbeError;
use super::lbfgs::minimize;
use super::objective::Objective;
use super::standardize::Standardizer;
use crate::metric::accuracy;

/// How a logistic regression is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct LogisticOptions {
    /// The inverse of the strength of regularisation, as in scikit-learn: the weights are penalised with
    /// `||W||^2 / (2 C n)` beside the mean loss.
    pub c: f64,
    /// Whether features are standardised with the mean and the deviation of the training part.
    pub standardize: bool,
    /// The greatest absolute entry of the gradient at which the solver has converged, as a share of the objective. With
    /// separable classes and weak regularisation the objective itself is near 0, and so must the gradient be.
    pub tolerance: f64,
    /// Steps of the solver at most.
    pub max_iterations: usize,
}

impl Default for LogisticOptions {
    /// `C = 1`, standardised, 1e-6 and 2,000 steps. scikit-learn's 1e-4 (of the gradient itself) left the objective 0.3 %
    /// above the optimum with 2,000 rows of 256 features, 10 classes and C = 100, and its 100 steps do not suffice there.
    fn default() -> Self {
        Self { c: 1.0, standardize: true, tolerance: 1e-6, max_iterations: 2000 }
    }
}

impl LogisticOptions {
    /// # Errors
    /// If a number cannot be.
    fn check(&self) -> Result<(), ProbeError> {
        let positive = [("c", self.c), ("tolerance", self.tolerance)];
        match positive.iter().find(|(_, value)| !(*value > 0.0 && value.is_finite())) {
            Some((key, value)) => {
                let reason = format!("{value} is not a finite number above 0");
                Err(ProbeError::Option { key, reason })
            }
            None => Ok(()),
        }
    }
}

/// Whether the solver reached the optimum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Convergence {
    /// The greatest absolute entry of the gradient where the solver ended, as a share of the objective there.
    pub gradient: f64,
    /// At or below this it has converged.
    pub tolerance: f64,
    /// The steps that it took.
    pub iterations: usize,
}

impl Convergence {
    /// Whether the gradient is within the tolerance. If not, the steps ran out, or rounding stopped the solver.
    pub fn converged(&self) -> bool {
        self.gradient <= self.tolerance
    }
}

/// Multinomial logistic regression with an L2 penalty: `p(c | x) = softmax(W x + b)_c`, where `W` and `b` minimise
/// `mean of -log p(y | x) + ||W||^2 / (2 C n)`, which is the objective of scikit-learn's `LogisticRegression` with its
/// default solver. The intercepts `b` are not penalised. Two classes share one row of weights, as there.
///
/// A class without a row in the training part has probability 0, as in scikit-learn, which does not know it.
///
/// Computed in fp64 on the device of the features, by L-BFGS.
#[derive(Debug)]
pub struct Logistic {
    standardizer: Standardizer,
    weights_kd: Tensor,
    intercepts_k: Tensor,
    /// The classes that have rows in the training part.
    present: Vec<i64>,
    classes: usize,
    objective: f64,
    convergence: Convergence,
    parameters: Vec<f64>,
}

impl Logistic {
    /// Trains on `train`. Look at [`convergence`](Self::convergence): a solver that ran out of steps is no error.
    ///
    /// # Errors
    /// If all rows are of one class, an option cannot be, or libtorch fails.
    pub fn fit(train: &Labelled, options: &LogisticOptions) -> Result<Self, ProbeError> {
        Training::new(train, options)?.fit(options.c, None)
    }

    /// The weights `[k, d]` of the features as they were trained on (standardised, if they were), in fp64: a row for each
    /// of [`present_classes`](Self::present_classes), or one row for the second of two.
    pub fn weights_kd(&self) -> &Tensor {
        &self.weights_kd
    }

    /// The intercepts, `[k]`.
    pub fn intercepts_k(&self) -> &Tensor {
        &self.intercepts_k
    }

    /// The classes that have rows in the training part, in order.
    pub fn present_classes(&self) -> &[i64] {
        &self.present
    }

    /// The objective where the solver ended, in nats.
    pub fn objective(&self) -> f64 {
        self.objective
    }

    /// Whether the solver reached the optimum.
    pub fn convergence(&self) -> Convergence {
        self.convergence
    }

    /// How many features are constant on the training part; 0 if features are not standardised.
    pub fn constant_features(&self) -> usize {
        self.standardizer.constant_features()
    }

    /// The logarithms of the probabilities of all classes, `[m, classes]` in fp64, in nats: -infinity for a class without a
    /// row in the training part.
    ///
    /// # Errors
    /// If the features are not finite numbers `[m, d]` of the training part's width, or libtorch fails.
    pub fn log_probabilities(&self, features_md: &Tensor) -> Result<Tensor, ProbeError> {
        let (m, _) = check_features(features_md)?;
        let features_md = features_md.f_detach()?;
        let like = (Kind::Double, features_md.device());
        let shape = [m as i64, self.classes as i64];
        let all_mc = Tensor::f_full(shape, f64::NEG_INFINITY, like)?;
        let present = Tensor::from_slice(&self.present).f_to(features_md.device())?;
        for (first, count) in chunks(m as i64) {
            let x_md = self.standardizer.apply(&features_md.f_narrow(0, first, count)?)?;
            let logits_mk =
                x_md.f_mm(&self.weights_kd.f_transpose(0, 1)?)?.f_add(&self.intercepts_k)?;
            let logits_mk = match self.present.len() {
                2 => Tensor::f_cat(&[logits_mk.f_zeros_like()?, logits_mk], 1)?,
                _ => logits_mk,
            };
            let log_mk = logits_mk.f_log_softmax(1, None)?;
            let _ = all_mc.f_narrow(0, first, count)?.f_index_copy_(1, &present, &log_mk)?;
        }
        Ok(all_mc)
    }

    /// The likeliest class of each row; of equally likely ones the first.
    ///
    /// # Errors
    /// As [`log_probabilities`](Self::log_probabilities).
    pub fn predict(&self, features_md: &Tensor) -> Result<Vec<i64>, ProbeError> {
        let classes_m = self.log_probabilities(features_md)?.f_argmax(1, false)?;
        Ok(Vec::<i64>::try_from(&classes_m)?)
    }

    /// The share of the rows of `part` whose class is predicted.
    ///
    /// # Errors
    /// If it has no row, and as [`predict`](Self::predict).
    pub fn accuracy(&self, part: &Labelled) -> Result<f64, ProbeError> {
        let predictions = self.predict(part.features_nd())?;
        accuracy(part.labels(), &predictions).ok_or(ProbeError::Rows {
            what: "an accuracy",
            rows: 0,
            needed: 1,
        })
    }
}

/// A training part that is standardised once and trained on with several values of C.
#[derive(Debug)]
pub(super) struct Training {
    objective: Objective,
    standardizer: Standardizer,
    present: Vec<i64>,
    classes: usize,
    tolerance: f64,
    max_iterations: usize,
}

impl Training {
    /// Standardises `train`, if the options say so. The copy of the features in fp64 takes 8 bytes a number.
    ///
    /// # Errors
    /// As [`Logistic::fit`].
    pub(super) fn new(train: &Labelled, options: &LogisticOptions) -> Result<Self, ProbeError> {
        options.check()?;
        let counts = train.class_counts();
        let present: Vec<i64> = (0..).zip(&counts).filter(|(_, n)| **n > 0).map(|x| x.0).collect();
        match present[..] {
            [] => return Err(ProbeError::Rows { what: "a probe", rows: 0, needed: 2 }),
            [label] => return Err(ProbeError::OneClass { rows: train.rows(), label }),
            _ => {}
        }
        let place = |label: &i64| present.partition_point(|other| other < label) as i64;
        let targets: Vec<i64> = train.labels().iter().map(place).collect();
        let standardizer = if options.standardize {
            Standardizer::fit(train.features_nd())?
        } else {
            Standardizer::identity(train.features_nd())?
        };
        let x_nd = standardizer.apply(train.features_nd())?;
        let objective = Objective::new(x_nd, &targets, present.len())?;
        let LogisticOptions { tolerance, max_iterations, .. } = *options;
        let classes = train.classes();
        Ok(Self { objective, standardizer, present, classes, tolerance, max_iterations })
    }

    /// Trains with regularisation `c`, from zero or from where another value of C ended, which takes fewer steps.
    ///
    /// # Errors
    /// If libtorch fails.
    pub(super) fn fit(&self, c: f64, from: Option<&Logistic>) -> Result<Logistic, ProbeError> {
        let zeros = || vec![0.0; self.objective.parameters()];
        let start = from.map_or_else(zeros, |other| other.parameters.clone());
        let is_minimum = |value: f64, gradient: f64| gradient / value <= self.tolerance;
        let minimum = minimize(start, self.max_iterations, is_minimum, |at| {
            self.objective.value_and_gradient(at, c)
        })?;
        let (weights_kd, intercepts_k) = self.objective.unpack(&minimum.at)?;
        Ok(Logistic {
            standardizer: self.standardizer.share(),
            weights_kd,
            intercepts_k,
            present: self.present.clone(),
            classes: self.classes,
            objective: minimum.value,
            convergence: Convergence {
                gradient: minimum.gradient / minimum.value,
                tolerance: self.tolerance,
                iterations: minimum.iterations,
            },
            parameters: minimum.at,
        })
    }
}
