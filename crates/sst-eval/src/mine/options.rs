//! Which negatives are wanted: as asked for, and as it runs.

use super::error::MineError;
use super::rules::{Rules, Strategy};

/// Which negatives are wanted. The names and defaults are those of sentence-transformers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MineOptions {
    /// So many of the nearest candidates are skipped, for they may be positives that nobody marked.
    pub range_min: usize,
    /// So many of the nearest candidates are looked at. `None`: as many as are needed, and ten times that where some
    /// may be removed by their score, and always as many more as a query has positives at most.
    pub range_max: Option<usize>,
    /// The highest score of a negative.
    pub max_score: Option<f64>,
    /// The lowest score of a negative.
    pub min_score: Option<f64>,
    /// By how much a negative's score is below that of the query's least similar positive.
    pub absolute_margin: Option<f64>,
    /// The same as a share of the size of that positive's score: 0.05 for at least 5 % below it (de Souza P. Moreira
    /// et al. 2024, "NV-Retriever").
    pub relative_margin: Option<f64>,
    /// Negatives for each query.
    pub num_negatives: usize,
    /// Which of the candidates are taken.
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
    /// Refuses what cannot be, before any vector is made.
    ///
    /// # Errors
    /// If an option is not a number, or two of them leave no candidate.
    pub fn check(&self) -> Result<(), MineError> {
        self.resolve(0).map(|_| ())
    }

    /// What they mean where no query has more than `most_positives` positives. The range is that of
    /// sentence-transformers.
    ///
    /// # Errors
    /// If an option is not a number, or two of them leave no candidate.
    pub(super) fn resolve(&self, most_positives: usize) -> Result<Rules, MineError> {
        let wrong = |key, reason: String| Err(MineError::Option { key, reason });
        let needed = self.num_negatives;
        if needed == 0 {
            return wrong("num_negatives", "must be at least 1".to_owned());
        }
        let scores = [
            ("max_score", self.max_score),
            ("min_score", self.min_score),
            ("absolute_margin", self.absolute_margin),
            ("relative_margin", self.relative_margin),
        ];
        for (key, score) in scores {
            if score.is_some_and(|score| !score.is_finite()) {
                return wrong(key, "must be a number".to_owned());
            }
        }
        if let (Some(min), Some(max)) = (self.min_score, self.max_score)
            && min > max
        {
            return wrong("min_score", format!("{min} is above max_score, which is {max}"));
        }
        // A lowest score removes the far ones, and then more of them would not help.
        let near = [self.max_score, self.absolute_margin, self.relative_margin];
        let factor = if near.iter().any(Option::is_some) { 10 } else { 1 };
        let range_max = self.range_max.unwrap_or_else(|| {
            let wanted = needed.saturating_mul(factor);
            self.range_min.saturating_add(wanted).saturating_add(most_positives)
        });
        let left = range_max.saturating_sub(self.range_min);
        if left == 0 {
            let reason = format!("{} is not below range_max, which is {range_max}", self.range_min);
            return wrong("range_min", reason);
        }
        if needed > left {
            return wrong(
                "num_negatives",
                format!(
                    "{needed} cannot be had from the {left} candidates between range_min and range_max"
                ),
            );
        }
        let fp32 = |score: Option<f64>| score.map(|score| score as f32);
        Ok(Rules {
            window: range_max.saturating_add(most_positives),
            range_min: self.range_min,
            range_max,
            max_score: fp32(self.max_score),
            min_score: fp32(self.min_score),
            absolute_margin: fp32(self.absolute_margin),
            relative_margin: fp32(self.relative_margin),
            num_negatives: needed,
            strategy: self.strategy,
        })
    }
}
