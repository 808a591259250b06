//! What kind of rows an objective wants.

use crate::records::Column;
use crate::rows::SegmentPairs;

/// What kind of rows an objective wants of the data.
#[derive(Debug, Clone, PartialEq)]
pub enum RowSpec {
    /// The tokens of documents, in `input_ids`: [`TokenRows`](crate::rows::TokenRows), in any mode.
    Tokens,
    /// So many texts that belong together, at least: [`GroupRows`](crate::rows::GroupRows).
    Groups {
        /// The fewest texts of a row.
        least: usize,
    },
    /// Two segments in one sequence: [`SegmentPairRows`](crate::rows::SegmentPairRows), of a store with the ends of
    /// sentences.
    SegmentPairs(SegmentPairs),
    /// Records with these columns: [`Records`](crate::records::Records).
    Records(Vec<Column>),
}

impl RowSpec {
    /// Whether the token store has to keep the ends of sentences.
    pub fn needs_sentence_ends(&self) -> bool {
        matches!(self, Self::SegmentPairs(_))
    }
}
