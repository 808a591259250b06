//! Predictions of heads for rows of records: classes of texts, entities, and answers to questions.
//!
//! The rows are those of [`Records`](sst_data::records::Records). Each row is computed by itself, without padding, so that
//! a prediction does not depend on the number of rows in a forward pass. What a [`sst_data::records::WindowSpec`] cuts into
//! windows is put together again: a prediction is one for each record.

mod answers;
mod characters;
mod classes;
mod entities;
mod forward;
mod outputs;

pub use answers::{AnswerFinder, Answered};
pub use characters::characters;
pub use classes::{ClassScorer, ScoredText};
pub use entities::{Decoding, EntityFinder, FoundEntity, TaggedText};
pub use outputs::{output_names, problem_type};
