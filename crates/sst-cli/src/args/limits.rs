//! The largest values of options whose cost has no other bound. They are checked as the arguments are read.

/// Sequences that beam search follows at a time: each takes the memory of a row and its cache.
pub(super) const MAX_BEAMS: i64 = 1024;

/// Samples of a prompt, which are rows of one batch.
pub(super) const MAX_SAMPLES: i64 = 65_536;

/// New tokens of a text. The model's positions are a limit of their own, and mostly a lower one.
pub(super) const MAX_NEW_TOKENS: u64 = 1_000_000;
