//! Control tasks (Hewitt and Liang 2019, "Designing and Interpreting Probes with Control Tasks"): labels that can only be
//! memorised. A probe that learns them as well as the real ones says more of itself than of the vectors.

use std::collections::HashSet;

use sst_data::SeqRng;

use super::error::ProbeError;
use crate::metric::{accuracy, commonest};

/// Gives each type (a word, or a text) a label drawn at random, the same wherever the type stands.
///
/// The label is drawn from the labels of the real task's training part, so that the control task has the same classes
/// about as often (the authors' code draws from the frequencies of tags too). It depends on the seed, those
/// frequencies and the type alone, and not on the order of types or on the part that they stand in.
///
/// Only types of the training part can be memorised, so the control accuracy should be measured where types return
/// ([`seen_fraction`]): where every text of the test part is new, no probe can be above chance and selectivity says
/// nothing.
#[derive(Debug, Clone)]
pub struct ControlTask {
    /// How many training labels are of each class or of one before it.
    cumulative: Vec<u64>,
    seed: u64,
}

impl ControlTask {
    /// A control task for a real task with these labels of its training part.
    ///
    /// # Errors
    /// If there is no label, or one is not in `0..classes`.
    pub fn new(labels: &[i64], classes: usize, seed: u64) -> Result<Self, ProbeError> {
        let mut counts = vec![0_u64; classes];
        for (row, label) in labels.iter().enumerate() {
            let count = usize::try_from(*label).ok().and_then(|label| counts.get_mut(label));
            *count.ok_or(ProbeError::Label { row, label: *label, classes })? += 1;
        }
        if labels.is_empty() {
            return Err(ProbeError::Rows { what: "a control task", rows: 0, needed: 1 });
        }
        let mut sum = 0;
        let add = |count| {
            sum += count;
            sum
        };
        Ok(Self { cumulative: counts.into_iter().map(add).collect(), seed })
    }

    /// The label of a type.
    pub fn label(&self, name: &str) -> i64 {
        let all = self.cumulative.last().copied().unwrap_or(0);
        let drawn = SeqRng::new(self.seed, &format!("probe.control/{name}"), 0, 0).below(all);
        self.cumulative.partition_point(|sum| *sum <= drawn) as i64
    }

    /// The label of the type of each row.
    pub fn labels<S: AsRef<str>>(&self, types: &[S]) -> Vec<i64> {
        types.iter().map(|name| self.label(name.as_ref())).collect()
    }
}

/// The share of `test`, the types of its rows, that also stand in `train`; `None` without a row.
pub fn seen_fraction<S: AsRef<str>>(train: &[S], test: &[S]) -> Option<f64> {
    let known: HashSet<&str> = train.iter().map(AsRef::as_ref).collect();
    let seen = test.iter().filter(|name| known.contains(name.as_ref())).count();
    (!test.is_empty()).then(|| seen as f64 / test.len() as f64)
}

/// Selectivity: the accuracy of a probe on the real task minus that of the same kind of probe on the control
/// task, both on the test part.
pub fn selectivity(real_accuracy: f64, control_accuracy: f64) -> f64 {
    real_accuracy - control_accuracy
}

/// The accuracy on `test` of always saying the commonest label of `train`, the smallest where several are as common; `None`
/// if one of them is empty.
pub fn majority_accuracy(train: &[i64], test: &[i64]) -> Option<f64> {
    let (label, _) = commonest(train)?;
    accuracy(test, &vec![label; test.len()])
}
