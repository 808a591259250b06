//! Describes the rows that an objective needs.

use crate::records::{Column, ColumnKind, WindowSpec};
use crate::rows::SegmentPairs;

/// The kind of rows that an objective needs.
#[derive(Debug, Clone, PartialEq)]
pub enum RowSpec {
    /// The tokens of documents, in `input_ids`: [`TokenRows`](crate::rows::TokenRows), in any mode.
    Tokens,
    /// Groups of at least `least` texts that belong together: [`GroupRows`](crate::rows::GroupRows).
    Groups {
        /// The smallest number of texts in a row.
        least: usize,
    },
    /// Two segments in one sequence: [`SegmentPairRows`](crate::rows::SegmentPairRows), over a store with sentence
    /// ends.
    SegmentPairs(SegmentPairs),
    /// Records: [`Records`](crate::records::Records).
    Records {
        /// The columns: the fields that are used.
        columns: Vec<Column>,
        /// The text that is read in windows; `None` truncates all texts.
        window: Option<WindowSpec>,
    },
    /// Pictures of one size: [`Pictures`](crate::pictures::Pictures).
    Pictures {
        /// The number of views of each picture, which are transformed independently.
        views: usize,
        /// Whether each row has a caption, in `input_ids`.
        captions: bool,
    },
}

impl RowSpec {
    /// Records with these columns, whose texts are truncated.
    pub fn records(columns: Vec<Column>) -> Self {
        Self::Records { columns, window: None }
    }

    /// The columns of records that hold texts: the one that is read in windows, or else all of them. Empty for other rows.
    pub fn text_columns(&self) -> Vec<&Column> {
        let Self::Records { columns, window } = self else { return Vec::new() };
        let is_read = |column: &&Column| match window {
            Some(window) => column.name == window.text,
            None => matches!(column.kind, ColumnKind::Text | ColumnKind::SecondText { .. }),
        };
        columns.iter().filter(is_read).collect()
    }

    /// Whether the rows hold tokens, for which a tokenizer is needed.
    pub fn have_tokens(&self) -> bool {
        !matches!(self, Self::Pictures { captions: false, .. })
    }

    /// Whether the rows hold pictures.
    pub fn have_pictures(&self) -> bool {
        matches!(self, Self::Pictures { .. })
    }

    /// Whether the token store has to keep sentence ends.
    pub fn needs_sentence_ends(&self) -> bool {
        matches!(self, Self::SegmentPairs(_))
    }
}
