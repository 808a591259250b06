//! Which of the entries near a query become its negatives.

use sst_data::SeqRng;

use super::counts::MineCounts;
use crate::nearest::Neighbour;

/// Which of the candidates are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// The nearest.
    Top,
    /// Any, each with the same probability.
    Random {
        /// Of the draws, which depend on it and the query's number alone.
        seed: u64,
    },
}

/// The options as they run; scores are compared in fp32, as they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    /// How many of the nearest entries are looked at, positives among them: enough for `range_max` others.
    pub(super) window: usize,
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
    /// Chooses from the nearest entries of a query, which come in order, and counts what becomes of each. Ranks are
    /// counted after the positives and what has a wrong score are gone, as sentence-transformers does. `least` is the
    /// score of the query's least similar positive.
    pub(super) fn choose(
        &self,
        query: usize,
        window: &[Neighbour],
        is_positive: impl Fn(usize) -> bool,
        least: f32,
        counts: &mut MineCounts,
    ) -> Vec<Neighbour> {
        let mut left = Vec::new();
        for neighbour in window {
            if is_positive(neighbour.index) {
                counts.positives += 1;
            } else if let Some(count) = self.broken(neighbour.score, least, counts) {
                *count += 1;
            } else if left.len() == self.range_max {
                counts.above_range_max += 1;
            } else {
                left.push(*neighbour);
            }
        }
        counts.looked_at += window.len() as u64;
        let skipped = self.range_min.min(left.len());
        counts.below_range_min += skipped as u64;
        let left = &left[skipped..];
        let wanted = self.num_negatives.min(left.len());
        counts.not_needed += (left.len() - wanted) as u64;
        counts.negatives += wanted as u64;
        match self.strategy {
            Strategy::Top => left[..wanted].to_vec(),
            Strategy::Random { seed } => {
                let mut rng = SeqRng::new(seed, "mine.negatives", 0, query as u64);
                let places = draw(&mut rng, left.len(), wanted);
                places.into_iter().map(|place| left[place]).collect()
            }
        }
    }

    /// The count of the first rule that a score breaks.
    fn broken<'c>(
        &self,
        score: f32,
        least: f32,
        counts: &'c mut MineCounts,
    ) -> Option<&'c mut u64> {
        if self.absolute_margin.is_some_and(|margin| score + margin > least) {
            return Some(&mut counts.absolute_margin);
        }
        // A share of the size, for a score below zero has to become smaller too.
        if self.relative_margin.is_some_and(|margin| score > least - least.abs() * margin) {
            return Some(&mut counts.relative_margin);
        }
        if self.max_score.is_some_and(|highest| score > highest) {
            return Some(&mut counts.max_score);
        }
        self.min_score.is_some_and(|lowest| score < lowest).then_some(&mut counts.min_score)
    }
}

/// `wanted` different places of `count`, in order, each set of them with the same probability.
fn draw(rng: &mut SeqRng, count: usize, wanted: usize) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    for i in 0..wanted {
        let other = i + rng.below((count - i) as u64) as usize;
        places.swap(i, other);
    }
    places.truncate(wanted);
    places.sort_unstable();
    places
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn every_set_is_drawn_as_often() {
        let mut counts: BTreeMap<Vec<usize>, u32> = BTreeMap::new();
        for query in 0..10_000 {
            let mut rng = SeqRng::new(1, "mine.negatives", 0, query);
            *counts.entry(draw(&mut rng, 5, 2)).or_default() += 1;
        }
        assert_eq!(counts.len(), 10);
        assert!(counts.keys().all(|places| places[0] < places[1]));
        assert!(counts.values().all(|count| count.abs_diff(1000) < 120), "{counts:?}");
        assert_eq!(draw(&mut SeqRng::new(1, "mine.negatives", 0, 0), 3, 3), [0, 1, 2]);
        assert!(draw(&mut SeqRng::new(1, "mine.negatives", 0, 0), 0, 0).is_empty());
    }
}
