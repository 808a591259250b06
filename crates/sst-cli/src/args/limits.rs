//! The largest values of options whose cost has no other bound. They are checked as the arguments are read.

/// Sequences that beam search follows at a time: each takes the memory of a row and its cache.
pub(super) const MAX_BEAMS: i64 = 1024;

/// Samples of a prompt, which are rows of one batch.
pub(super) const MAX_SAMPLES: i64 = 65_536;

/// New tokens of a text. The model's positions are a limit of their own, and mostly a lower one.
pub(super) const MAX_NEW_TOKENS: u64 = 1_000_000;

/// Threads: more than any machine has cores.
pub(super) const MAX_THREADS: usize = 1024;

/// Reads `--threads`.
///
/// # Errors
/// If it is no number, or above [`MAX_THREADS`].
pub(super) fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= MAX_THREADS => Ok(count),
        Ok(count) => Err(format!("{count} is more than {MAX_THREADS} threads")),
        Err(_) => {
            Err("a whole number of threads is needed; 0 for as many as there are cores".into())
        }
    }
}
