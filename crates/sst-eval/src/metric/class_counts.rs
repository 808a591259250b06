//! Precision, recall and F1 from counts, by class and averaged over classes.

use super::error::{MetricError, check_length};

/// The counts of one class, from which its figures follow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClassCounts {
    /// The examples that have the class and were predicted to have it.
    pub true_positives: u64,
    /// The examples that were predicted to have it.
    pub predicted: u64,
    /// The examples that have it (scikit-learn's support).
    pub gold: u64,
}

impl ClassCounts {
    /// The examples that were predicted to have the class and do not have it.
    pub fn false_positives(&self) -> u64 {
        self.predicted.saturating_sub(self.true_positives)
    }

    /// The examples that have the class and were not predicted to have it.
    pub fn false_negatives(&self) -> u64 {
        self.gold.saturating_sub(self.true_positives)
    }

    /// Precision `tp / predicted`, recall `tp / gold` and F1 `2 tp / (predicted + gold)`. A figure whose denominator is 0
    /// is 0 (scikit-learn's `zero_division=0`); [`predicted`](Self::predicted) and [`gold`](Self::gold) tell that case
    /// apart.
    pub fn scores(&self) -> Scores {
        let share =
            |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Scores {
            precision: share(self.true_positives, self.predicted),
            recall: share(self.true_positives, self.gold),
            f1: share(2 * self.true_positives, self.predicted + self.gold),
        }
    }
}

impl std::ops::AddAssign for ClassCounts {
    fn add_assign(&mut self, other: Self) {
        self.true_positives += other.true_positives;
        self.predicted += other.predicted;
        self.gold += other.gold;
    }
}

/// Precision, recall and F1, from 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scores {
    /// The share of the predictions that are right.
    pub precision: f64,
    /// The share of the gold labels that were predicted.
    pub recall: f64,
    /// The harmonic mean of both; for an average over classes the average of their F1.
    pub f1: f64,
}

/// The classes that a macro average is taken over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MacroOver {
    /// Those that some example has or is predicted to have: scikit-learn's default for one class an example, and
    /// seqeval's.
    Occurring,
    /// All of the table, so that one that never occurs counts as 0: scikit-learn's rule for any number of classes an
    /// example.
    All,
}

/// Averages over classes, and how many classes have no figure of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Averages {
    /// The figures of the summed counts.
    pub micro_average: Scores,
    /// The mean of the classes' figures. F1 is the mean of their F1, not that of the mean precision and recall.
    pub macro_average: Scores,
    /// The mean of the classes' figures, weighted by the number of examples that have the class.
    pub weighted_average: Scores,
    /// The classes that the macro average is over.
    pub classes: usize,
    /// Those of them that no example has: their recall is 0 by definition.
    pub without_gold: usize,
    /// Those of them that were never predicted: their precision is 0 by definition.
    pub without_predictions: usize,
    /// The classes of the table that no example has or is predicted to have.
    pub absent: usize,
}

impl Averages {
    /// The averages of the counts of a table of classes. Without classes all figures are 0, and so is
    /// [`classes`](Self::classes).
    pub fn new(table: &[ClassCounts], over: MacroOver) -> Self {
        let is_absent = |class: &&ClassCounts| class.predicted == 0 && class.gold == 0;
        let absent = table.iter().filter(is_absent).count();
        let is_counted = |class: &&ClassCounts| over == MacroOver::All || !is_absent(class);
        let counted: Vec<ClassCounts> = table.iter().filter(is_counted).copied().collect();
        let mut sum = ClassCounts::default();
        counted.iter().for_each(|class| sum += *class);
        Self {
            micro_average: sum.scores(),
            macro_average: mean(&counted, |_| 1.0),
            weighted_average: mean(&counted, |class| class.gold as f64),
            classes: counted.len(),
            without_gold: counted.iter().filter(|class| class.gold == 0).count(),
            without_predictions: counted.iter().filter(|class| class.predicted == 0).count(),
            absent,
        }
    }
}

/// The weighted mean of the figures of classes; 0 if there are none or all weights are 0.
fn mean(classes: &[ClassCounts], weight: impl Fn(&ClassCounts) -> f64) -> Scores {
    let mut sum = Scores::default();
    let mut total = 0.0;
    for class in classes {
        let (scores, weight) = (class.scores(), weight(class));
        sum.precision += weight * scores.precision;
        sum.recall += weight * scores.recall;
        sum.f1 += weight * scores.f1;
        total += weight;
    }
    if total == 0.0 {
        return Scores::default();
    }
    Scores { precision: sum.precision / total, recall: sum.recall / total, f1: sum.f1 / total }
}

/// The counts of each class, for examples of one class each. Classes are numbers from 0.
///
/// # Errors
/// [`MetricError::Length`] if there are not as many predictions as labels, and [`MetricError::UnknownClass`] for a class
/// outside of `0..num_classes`.
pub fn class_counts(
    labels: &[i64],
    predictions: &[i64],
    num_classes: usize,
) -> Result<Vec<ClassCounts>, MetricError> {
    check_length("predictions", predictions.len(), labels.len())?;
    let mut classes = vec![ClassCounts::default(); num_classes];
    for (example, (label, prediction)) in labels.iter().zip(predictions).enumerate() {
        let label = class_index("labels", example, *label, num_classes)?;
        let prediction = class_index("predictions", example, *prediction, num_classes)?;
        classes[label].gold += 1;
        classes[prediction].predicted += 1;
        classes[label].true_positives += u64::from(label == prediction);
    }
    Ok(classes)
}

/// Matthews' correlation coefficient, for two classes (Matthews 1975, "Comparison of the predicted and observed secondary
/// structure of T4 phage lysozyme") and for more (Gorodkin 2004, "Comparing two K-category assignments by a K-category
/// correlation coefficient"), from -1 to 1:
///
/// `(c s - sum p_k t_k) / sqrt((s^2 - sum p_k^2) (s^2 - sum t_k^2))`, where `s` is the number of examples, `c` that of
/// right predictions, and `t_k` and `p_k` are those of examples that have class `k` and that were predicted to have it.
///
/// The counts are those of examples of one class each ([`class_counts`]). It is 0, as in scikit-learn, where the
/// denominator is 0: without examples, and where all labels or all predictions are the same, which the counts show.
pub fn matthews_correlation(classes: &[ClassCounts]) -> f64 {
    let sum = |count: fn(&ClassCounts) -> u128| classes.iter().map(count).sum::<u128>();
    let right = sum(|class| u128::from(class.true_positives));
    let all = sum(|class| u128::from(class.gold));
    let products = sum(|class| u128::from(class.predicted) * u128::from(class.gold));
    let predicted = sum(|class| u128::from(class.predicted).pow(2));
    let gold = sum(|class| u128::from(class.gold).pow(2));
    // Integers, so that nothing is lost where the terms nearly cancel out.
    let covariance = (right * all) as i128 - products as i128;
    let (of_predicted, of_gold) = ((all * all - predicted) as f64, (all * all - gold) as f64);
    let denominator = of_predicted.sqrt() * of_gold.sqrt();
    if denominator == 0.0 { 0.0 } else { covariance as f64 / denominator }
}

/// The class as an index into the table.
pub(super) fn class_index(
    what: &'static str,
    example: usize,
    class: i64,
    num_classes: usize,
) -> Result<usize, MetricError> {
    let index = usize::try_from(class).ok().filter(|index| *index < num_classes);
    index.ok_or(MetricError::UnknownClass { what, example, class, num_classes })
}
