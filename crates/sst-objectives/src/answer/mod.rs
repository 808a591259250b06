//! `answer`: finds the answer to a question in a text, from records of SQuAD's form. A head scores each token as the start
//! and as the end of the answer; the loss is the mean of the two cross-entropies (Devlin et al. 2019, "BERT", section 4.2;
//! transformers' `...ForQuestionAnswering`).
//!
//! A long text is read in overlapping windows, each with the question in front. A window without the answer, and a
//! question without any, have the first token as start and end.

mod collate;
mod loss;

use serde::{Deserialize, Serialize};
use sst_data::RowSpec;
use sst_data::records::{Column, ColumnKind, Stride, WindowSpec};

pub(crate) use loss::ENTRY;

/// The column with the question.
const QUESTION: &str = "question";
/// The column with the text that holds the answer.
const CONTEXT: &str = "context";
/// The column with the answers.
const ANSWERS: &str = "answers";

/// The configuration of `answer`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AnswerConfig {
    /// The number of tokens that two windows of a long text share, or `auto` for a quarter of the longest row.
    pub stride: Stride,
}

impl AnswerConfig {
    /// The columns of the records, and their windows.
    fn rows(&self) -> RowSpec {
        let first = QUESTION.to_owned();
        RowSpec::Records {
            columns: vec![
                Column::new(QUESTION, ColumnKind::Text),
                Column::new(CONTEXT, ColumnKind::SecondText { first }),
                Column::new(ANSWERS, ColumnKind::Spans { text: CONTEXT.to_owned() }),
            ],
            window: Some(WindowSpec { text: CONTEXT.to_owned(), stride: self.stride }),
        }
    }
}
