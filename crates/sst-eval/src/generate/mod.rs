//! Generates text with a causal language model: greedy, by sampling, or by beam search.
//!
//! Shapes: b unfinished sequences, t tokens of all of them that are not in the cache yet, d hidden size, v vocabulary.

mod beam;
mod run;
mod sample;
mod stream;

pub use beam::{Beams, beam_search};
pub use run::{Completion, Finish, Generator, Limits};
pub use sample::{Sampling, distribution};
pub use stream::TextStream;
