//! Selects the negatives of a query from its nearest entries.

use sst_data::SeqRng;

use super::counts::MineCounts;
use crate::nearest::Neighbour;

/// How negatives are selected from the candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Selects the nearest candidates.
    Top,
    /// Selects candidates at random, each with the same probability.
    Random {
        /// The seed. The selection depends on the seed and the index of the query only.
        seed: u64,
    },
}

/// The checked options. Limits are in fp32, like the scores.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// The number of nearest entries that are examined: `range_max`, and as many more as a query can have positives.
    pub(super) num_neighbours: usize,
    pub(super) range_min: usize,
    pub(super) range_max: usize,
    pub(super) max_score: Option<f32>,
    pub(super) min_score: Option<f32>,
    pub(super) absolute_margin: Option<f32>,
    pub(super) relative_margin: Option<f32>,
    pub(super) num_negatives: usize,
    pub(super) strategy: Strategy,
}

impl Rules {
    /// Selects negatives from the nearest entries of a query, which are sorted by descending score, and counts the
    /// outcome for each. Positives and entries with disallowed scores are removed before `range_min` and `range_max` are
    /// applied, as in sentence-transformers. `min_positive` is the score of the query's least similar positive.
    pub(super) fn select(
        &self,
        query: usize,
        neighbours: &[Neighbour],
        is_positive: impl Fn(usize) -> bool,
        min_positive: f32,
        counts: &mut MineCounts,
    ) -> Vec<Neighbour> {
        let mut allowed = Vec::new();
        for neighbour in neighbours {
            if is_positive(neighbour.index) {
                counts.positives += 1;
            } else if let Some(count) = self.violated(neighbour.score, min_positive, counts) {
                *count += 1;
            } else if allowed.len() == self.range_max {
                counts.above_range_max += 1;
            } else {
                allowed.push(*neighbour);
            }
        }
        counts.looked_at += neighbours.len() as u64;
        let skipped = self.range_min.min(allowed.len());
        counts.below_range_min += skipped as u64;
        let candidates = &allowed[skipped..];
        let num_selected = self.num_negatives.min(candidates.len());
        counts.not_needed += (candidates.len() - num_selected) as u64;
        counts.negatives += num_selected as u64;
        match self.strategy {
            Strategy::Top => candidates[..num_selected].to_vec(),
            Strategy::Random { seed } => {
                let mut rng = SeqRng::new(seed, "mine.negatives", 0, query as u64);
                let indices = sample(&mut rng, candidates.len(), num_selected);
                indices.into_iter().map(|index| candidates[index]).collect()
            }
        }
    }

    /// The counter of the first rule that a score violates; `None` if the score is allowed.
    fn violated<'c>(
        &self,
        score: f32,
        min_positive: f32,
        counts: &'c mut MineCounts,
    ) -> Option<&'c mut u64> {
        if self.absolute_margin.is_some_and(|margin| score + margin > min_positive) {
            return Some(&mut counts.absolute_margin);
        }
        // The margin is a fraction of the absolute value, so that a negative score is lowered too.
        let relative_limit = |margin: f32| min_positive - min_positive.abs() * margin;
        if self.relative_margin.is_some_and(|margin| score > relative_limit(margin)) {
            return Some(&mut counts.relative_margin);
        }
        if self.max_score.is_some_and(|max| score > max) {
            return Some(&mut counts.max_score);
        }
        self.min_score.is_some_and(|min| score < min).then_some(&mut counts.min_score)
    }
}

/// Draws `size` different numbers below `count`, in ascending order. Each set of numbers has the same probability.
fn sample(rng: &mut SeqRng, count: usize, size: usize) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..count).collect();
    for i in 0..size {
        let other = i + rng.below((count - i) as u64) as usize;
        indices.swap(i, other);
    }
    indices.truncate(size);
    indices.sort_unstable();
    indices
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_set_is_drawn_with_the_same_probability() {
        let mut counts: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
        for query in 0..10_000 {
            let mut rng = SeqRng::new(1, "mine.negatives", 0, query);
            *counts.entry(sample(&mut rng, 5, 2)).or_default() += 1;
        }
        assert_eq!(counts.len(), 10);
        assert!(counts.keys().all(|indices| indices[0] < indices[1]));
        assert!(counts.values().all(|count| count.abs_diff(1000) < 120), "{counts:?}");
        assert_eq!(sample(&mut SeqRng::new(1, "mine.negatives", 0, 0), 3, 3), [0, 1, 2]);
        assert!(sample(&mut SeqRng::new(1, "mine.negatives", 0, 0), 0, 0).is_empty());
    }
}
