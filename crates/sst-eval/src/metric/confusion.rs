//! The confusion matrix of predicted classes.

use super::class_counts::{ClassCounts, class_index};
use super::error::{MetricError, check_length};

/// The most classes of a matrix, which holds the square of this many numbers (128 MiB).
const MAX_CLASSES: usize = 4096;

/// How many examples of each class were predicted to be of each class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    num_classes: usize,
    /// A row for each label, with a column for each prediction.
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Counts examples of one class each. Classes are numbers from 0.
    ///
    /// # Errors
    /// [`MetricError::Length`] if there are not as many predictions as labels, [`MetricError::UnknownClass`] for a class
    /// outside of `0..num_classes`, and [`MetricError::TooManyClasses`] above 4,096 classes.
    pub fn new(
        labels: &[i64],
        predictions: &[i64],
        num_classes: usize,
    ) -> Result<Self, MetricError> {
        check_length("predictions", predictions.len(), labels.len())?;
        if num_classes > MAX_CLASSES {
            return Err(MetricError::TooManyClasses { num_classes, limit: MAX_CLASSES });
        }
        let mut counts = vec![0; num_classes * num_classes];
        for (example, (label, prediction)) in labels.iter().zip(predictions).enumerate() {
            let label = class_index("labels", example, *label, num_classes)?;
            let prediction = class_index("predictions", example, *prediction, num_classes)?;
            counts[label * num_classes + prediction] += 1;
        }
        Ok(Self { num_classes, counts })
    }

    /// The number of classes.
    pub fn num_classes(&self) -> usize {
        self.num_classes
    }

    /// The examples of class `label` that were predicted to be of class `prediction`; 0 for a class beyond the table.
    pub fn count(&self, label: usize, prediction: usize) -> u64 {
        let is_known = label < self.num_classes && prediction < self.num_classes;
        if is_known { self.counts[label * self.num_classes + prediction] } else { 0 }
    }

    /// A row for each label, with the number of examples for each prediction.
    pub fn rows(&self) -> impl Iterator<Item = &[u64]> {
        self.counts.chunks_exact(self.num_classes.max(1))
    }

    /// The counts of each class.
    pub fn class_counts(&self) -> Vec<ClassCounts> {
        let class = |class: usize| ClassCounts {
            true_positives: self.count(class, class),
            predicted: (0..self.num_classes).map(|label| self.count(label, class)).sum(),
            gold: (0..self.num_classes).map(|prediction| self.count(class, prediction)).sum(),
        };
        (0..self.num_classes).map(class).collect()
    }

    /// The pairs of a label and a wrong prediction, most frequent first; of two as frequent the one with the smaller
    /// label, then the smaller prediction.
    pub fn confusions(&self) -> Vec<(usize, usize, u64)> {
        let pairs = (0..self.num_classes)
            .flat_map(|label| (0..self.num_classes).map(move |prediction| (label, prediction)));
        let wrong = pairs.filter(|(label, prediction)| label != prediction);
        let mut wrong: Vec<(usize, usize, u64)> = wrong
            .map(|(label, prediction)| (label, prediction, self.count(label, prediction)))
            .filter(|(_, _, count)| *count > 0)
            .collect();
        wrong.sort_by_key(|(_, _, count)| std::cmp::Reverse(*count));
        wrong
    }
}
