//! The options of mining, and their check.

use super::error::MineError;
use super::rules::{Rules, Strategy};

/// Which entries become negatives. The names and defaults are those of sentence-transformers' `mine_hard_negatives`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MineOptions {
    /// The number of nearest candidates that are skipped, because they may be positives that are not labelled as such.
    pub range_min: usize,
    /// The number of nearest candidates that are considered. `None` for `range_min`, plus `num_negatives` (ten times that
    /// if `max_score` or a margin may remove candidates), plus the largest number of positives of a query.
    pub range_max: Option<usize>,
    /// The maximum score of a negative.
    pub max_score: Option<f64>,
    /// The minimum score of a negative.
    pub min_score: Option<f64>,
    /// The minimum difference between the score of the query's least similar positive and the score of a negative.
    pub absolute_margin: Option<f64>,
    /// The same difference as a fraction of that positive's score: with 0.05, negatives score at least 5 % below it (de
    /// Souza P. Moreira et al. 2024, "NV-Retriever").
    pub relative_margin: Option<f64>,
    /// The number of negatives for each query.
    pub num_negatives: usize,
    /// How negatives are selected from the candidates.
    pub strategy: Strategy,
}

impl Default for MineOptions {
    fn default() -> Self {
        Self {
            range_min: 0,
            range_max: None,
            max_score: None,
            min_score: None,
            absolute_margin: None,
            relative_margin: None,
            num_negatives: 3,
            strategy: Strategy::Top,
        }
    }
}

impl MineOptions {
    /// Checks the options, so that a caller can refuse invalid ones before it computes any vectors.
    ///
    /// # Errors
    /// If an option is NaN or infinite, or the options leave too few candidates.
    pub fn check(&self) -> Result<(), MineError> {
        self.resolve(0).map(|_| ())
    }

    /// Fills in the default of `range_max`, which is that of sentence-transformers. `max_positives` is the largest number
    /// of positives of a query.
    ///
    /// # Errors
    /// If an option is NaN or infinite, or the options leave too few candidates.
    pub(super) fn resolve(&self, max_positives: usize) -> Result<Rules, MineError> {
        let invalid = |key, reason: String| Err(MineError::Option { key, reason });
        let num_negatives = self.num_negatives;
        if num_negatives == 0 {
            return invalid("num_negatives", "must be at least 1".to_owned());
        }
        let scores = [
            ("max_score", self.max_score),
            ("min_score", self.min_score),
            ("absolute_margin", self.absolute_margin),
            ("relative_margin", self.relative_margin),
        ];
        for (key, score) in scores {
            if score.is_some_and(|score| !score.is_finite()) {
                return invalid(key, "must be a finite number".to_owned());
            }
        }
        if let (Some(min), Some(max)) = (self.min_score, self.max_score)
            && min > max
        {
            return invalid("min_score", format!("{min} is above max_score, which is {max}"));
        }
        // These options remove the nearest candidates, so that more of them are needed. `min_score` removes the farthest
        // ones, which more candidates could not replace.
        let removes_nearest = [self.max_score, self.absolute_margin, self.relative_margin];
        let factor = if removes_nearest.iter().any(Option::is_some) { 10 } else { 1 };
        let range_max = self.range_max.unwrap_or_else(|| {
            let num_candidates = num_negatives.saturating_mul(factor);
            self.range_min.saturating_add(num_candidates).saturating_add(max_positives)
        });
        let in_range = range_max.saturating_sub(self.range_min);
        if in_range == 0 {
            let reason = format!("{} is not below range_max, which is {range_max}", self.range_min);
            return invalid("range_min", reason);
        }
        if num_negatives > in_range {
            return invalid(
                "num_negatives",
                format!(
                    "is {num_negatives}, but there are only {in_range} candidates between range_min and range_max"
                ),
            );
        }
        let fp32 = |score: Option<f64>| score.map(|score| score as f32);
        Ok(Rules {
            num_neighbours: range_max.saturating_add(max_positives),
            range_min: self.range_min,
            range_max,
            max_score: fp32(self.max_score),
            min_score: fp32(self.min_score),
            absolute_margin: fp32(self.absolute_margin),
            relative_margin: fp32(self.relative_margin),
            num_negatives,
            strategy: self.strategy,
        })
    }
}
