//! Text from a decoder, token by token: greedy, sampled, or by beam search.
//!
//! Shapes: b rows that are not done, t new tokens of all of them, d hidden size, v vocabulary.

mod beam;
mod run;
mod sample;
mod stream;

pub use beam::{Beams, beam_search};
pub use run::{Completion, Finish, Generator, Limits};
pub use sample::{Sampling, distribution};
pub use stream::TextStream;
