//! Probes of frozen vectors: what can be read out of them without training the model, and how easily. Functions on tensors
//! and slices, which know nothing of models.
//!
//! | question | function |
//! | --- | --- |
//! | how well does a linear classifier read a property? | [`linear_probe`], of [`Logistic`] and [`select_c`] |
//! | does it read it, or has it memorised it? | [`ControlTask`], [`selectivity`], [`majority_accuracy`] |
//! | how many bits do the labels take, given the vectors? | [`online_code`] |
//! | do vectors of one class lie together, without training anything? | [`knn_classify`] |
//! | do two layers or models have the same vectors, up to rotation? | [`debiased_cka`] |
//!
//! Vectors and their classes are checked once, as [`Labelled`]. The part that a probe is measured on is looked at for that
//! alone: features are standardised, and the regularisation is chosen, with the training part.

mod cka;
mod control;
mod data;
mod error;
mod folds;
mod knn;
mod lbfgs;
mod linear;
mod logistic;
mod mdl;
mod objective;
mod pca;
mod select;
mod standardize;

pub use cka::{cka, debiased_cka};
pub use control::{ControlTask, majority_accuracy, seen_fraction, selectivity};
pub use data::Labelled;
pub use error::ProbeError;
pub use folds::{shuffled_rows, stratified_folds};
pub use knn::{Vote, knn_classify};
pub use linear::{LinearProbe, linear_probe};
pub use logistic::{Convergence, Logistic, LogisticOptions};
pub use mdl::{OnlineCode, OnlineCodeOptions, Portion, online_code};
pub use pca::{Pca, pca};
pub use select::{Candidate, GridEnd, Selection, SelectionOptions, select_c, select_c_on};
pub use standardize::Standardizer;
