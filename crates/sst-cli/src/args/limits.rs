//! The largest values of options whose cost has no other bound, and what a real number may be. They are checked as the
//! arguments are read.

/// Sequences that beam search follows at a time: each takes the memory of a row and its cache.
pub(super) const MAX_BEAMS: i64 = 1024;

/// Samples of a prompt, which are rows of one batch.
pub(super) const MAX_SAMPLES: i64 = 65_536;

/// New tokens of a text. The model's positions are a limit of their own, and mostly a lower one.
pub(super) const MAX_NEW_TOKENS: u64 = 1_000_000;

/// Kills of a run by `sst verify-resume`: each takes a start of the engine, which is most of a second.
pub(super) const MAX_KILLS: i64 = 1000;

/// Reads a real number; NaN and infinity are refused, which no option can be.
pub(super) fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err("write a finite number".to_owned()),
        Err(_) => Err("write a number, such as 0.5".to_owned()),
    }
}
