//! Counts why entries of the corpus were or were not selected as negatives.

use sst_core::Counts;

/// Counts why entries of the corpus were or were not selected as negatives. Each examined pair of a query and an entry is
/// in exactly one of the counts from `positives` to `negatives`, so that these add up to `looked_at`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MineCounts {
    /// The number of queries.
    pub queries: u64,
    /// The number of queries with fewer than `num_negatives` negatives.
    pub short: u64,
    /// The number of entries of the corpus.
    pub corpus: u64,
    /// The number of entries that have the text of an earlier entry, and so cannot be negatives.
    pub duplicates: u64,
    /// The number of examined entries, summed over the queries: the nearest entries of each query.
    pub looked_at: u64,
    /// The entry is a positive of the query.
    pub positives: u64,
    /// The score is less than `absolute_margin` below that of the least similar positive.
    pub absolute_margin: u64,
    /// The score is less than the fraction `relative_margin` below that of the least similar positive.
    pub relative_margin: u64,
    /// The score is above `max_score`.
    pub max_score: u64,
    /// The score is below `min_score`.
    pub min_score: u64,
    /// The entry is one of the `range_min` nearest candidates, which are skipped.
    pub below_range_min: u64,
    /// The entry comes after the `range_max` nearest candidates.
    pub above_range_max: u64,
    /// The entry was allowed, but enough others were selected.
    pub not_needed: u64,
    /// The entry was selected.
    pub negatives: u64,
}

impl MineCounts {
    /// The counts by name, as in a [`Report`](crate::Report).
    pub fn to_counts(&self) -> Counts {
        let counts = [
            ("queries", self.queries),
            ("short_queries", self.short),
            ("corpus", self.corpus),
            ("duplicates", self.duplicates),
            ("looked_at", self.looked_at),
            ("positives", self.positives),
            ("absolute_margin", self.absolute_margin),
            ("relative_margin", self.relative_margin),
            ("max_score", self.max_score),
            ("min_score", self.min_score),
            ("below_range_min", self.below_range_min),
            ("above_range_max", self.above_range_max),
            ("not_needed", self.not_needed),
            ("negatives", self.negatives),
        ];
        counts.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
    }
}
