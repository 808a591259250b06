//! What became of the entries that were looked at.

use sst_core::Counts;

/// What became of the entries that were looked at: each is in one of the counts from `positives` to `negatives`, which
/// add up to `looked_at`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MineCounts {
    /// Queries.
    pub queries: u64,
    /// Queries that got fewer negatives than asked for.
    pub short: u64,
    /// Entries of the corpus.
    pub corpus: u64,
    /// Entries of the corpus that were candidates for no query, for they have the text of one before them.
    pub duplicates: u64,
    /// Entries near a query that were looked at, summed over the queries.
    pub looked_at: u64,
    /// Of those: positives of the query.
    pub positives: u64,
    /// Not far enough below the least similar positive.
    pub absolute_margin: u64,
    /// Not far enough below it for its size.
    pub relative_margin: u64,
    /// Too similar.
    pub max_score: u64,
    /// Not similar enough.
    pub min_score: u64,
    /// Of the nearest that are skipped.
    pub below_range_min: u64,
    /// After the last that may be taken.
    pub above_range_max: u64,
    /// Allowed, but enough others were taken.
    pub not_needed: u64,
    /// Taken.
    pub negatives: u64,
}

impl MineCounts {
    /// By name, as in a [`Report`](crate::Report).
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
