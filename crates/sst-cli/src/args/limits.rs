//! The largest values of options that would otherwise allow unlimited memory or time, and the parser of real numbers.
//! The limits are checked when the arguments are parsed.

use std::str::FromStr;

use clap::builder::RangedU64ValueParser;

/// The largest number of beams. Each beam takes the memory of one row and its key-value cache.
pub(super) const MAX_BEAMS: i64 = 1024;

/// The largest number of samples per prompt. They are the rows of one batch.
pub(super) const MAX_SAMPLES: i64 = 65_536;

/// The largest number of new tokens per text. The context length of the model is a separate limit, and usually a
/// lower one.
pub(super) const MAX_NEW_TOKENS: u64 = 1_000_000;

/// The largest number of kills in `sst verify-resume`. Each kill costs one more start of the engine, most of a
/// second.
pub(super) const MAX_KILLS: i64 = 1000;

/// The largest number of pictures on a sheet.
pub(super) const MAX_SHOWN: i64 = 256;

/// The largest number of threads, as in recipes.
const MAX_THREADS: u64 = 1024;

/// The parser of a number of threads.
pub(super) fn threads() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(0..=MAX_THREADS)
}

/// Parses a whole number from 1.
pub(super) fn positive<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Result<T, String> {
    let number = text.parse::<T>().ok().filter(|number| *number >= T::from(1));
    number.ok_or_else(|| "write a whole number from 1".to_owned())
}

/// Parses a finite real number. NaN and infinity are refused, because they are valid for no option.
pub(super) fn finite(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(number),
        Ok(_) => Err("write a finite number".to_owned()),
        Err(_) => Err("write a number, such as 0.5".to_owned()),
    }
}
