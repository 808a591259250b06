//! Durations: lengths of training with a unit.

use std::fmt;
use std::str::FromStr;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration such as `"2000step"`, `"3epoch"`, `"3e9tok"` or `"0.06run"`. A number without a unit counts steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Duration {
    /// Optimizer steps.
    Steps(u64),
    /// Passes over the training rows.
    Epochs(f64),
    /// Tokens seen, special tokens included.
    Tokens(f64),
    /// A fraction of the whole run.
    Run(f64),
}

/// The size of a step, which converts other units to steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// The number of rows of the training set.
    pub rows: u64,
    /// The mean number of rows per step.
    pub rows_per_step: f64,
    /// The mean number of tokens per row.
    pub tokens_per_row: f64,
}

impl Duration {
    /// Zero steps.
    pub const ZERO: Self = Self::Steps(0);

    /// Converts to the total number of steps of a run, rounded up; `None` for a fraction of the run.
    pub fn total_steps(self, scale: Scale) -> Option<u64> {
        let batch = scale.rows_per_step;
        match self {
            Self::Steps(steps) => Some(steps),
            Self::Epochs(epochs) => Some((epochs * scale.rows as f64 / batch).ceil() as u64),
            Self::Tokens(tokens) => Some((tokens / (batch * scale.tokens_per_row)).ceil() as u64),
            Self::Run(_) => None,
        }
    }

    /// Converts to steps within a run of `total` steps; at least 1 unless the duration is zero.
    pub fn steps(self, scale: Scale, total: u64) -> u64 {
        match self {
            Self::Run(fraction) if fraction > 0.0 => {
                ((fraction * total as f64).round() as u64).max(1)
            }
            Self::Run(_) => 0,
            other => other.total_steps(scale).unwrap_or(0),
        }
    }

    /// Whether the duration is zero.
    pub fn is_zero(self) -> bool {
        match self {
            Self::Steps(steps) => steps == 0,
            Self::Epochs(n) | Self::Tokens(n) | Self::Run(n) => n == 0.0,
        }
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let split = text.find(|c: char| c.is_ascii_alphabetic() && c != 'e' && c != 'E');
        // In `3e9tok` the `e` belongs to the number, because digits follow it; in `3epoch` it belongs to the unit.
        let split = text
            .char_indices()
            .find(|(i, c)| matches!(c, 'e' | 'E') && !text[i + 1..].starts_with(digit_or_sign))
            .map(|(i, _)| i)
            .into_iter()
            .chain(split)
            .min()
            .unwrap_or(text.len());
        let (number, unit) = (text[..split].trim().replace('_', ""), text[split..].trim());
        let amount: f64 = number.parse().map_err(|_| format!("\"{text}\" has no number"))?;
        if !amount.is_finite() || amount < 0.0 {
            return Err(format!("\"{text}\" is not a duration"));
        }
        match unit {
            "step" | "steps" if amount.fract() == 0.0 => Ok(Self::Steps(amount as u64)),
            "step" | "steps" => Err(format!("\"{text}\" is not a whole number of steps")),
            "epoch" | "epochs" => Ok(Self::Epochs(amount)),
            "tok" | "toks" => Ok(Self::Tokens(amount)),
            "run" if amount <= 1.0 => Ok(Self::Run(amount)),
            "run" => Err(format!("\"{text}\" is more than the whole run, 1run")),
            _ => {
                let has =
                    if unit.is_empty() { "no unit".to_owned() } else { format!("the unit {unit}") };
                Err(format!(
                    "\"{text}\" has {has}: write 200step, 3epoch or 3e9tok; elsewhere also 0.06run, which is a part of \
                     train.steps"
                ))
            }
        }
    }
}

fn digit_or_sign(c: char) -> bool {
    c.is_ascii_digit() || matches!(c, '+' | '-')
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "{steps}step"),
            Self::Epochs(epochs) => write!(f, "{epochs}epoch"),
            Self::Tokens(tokens) => write!(f, "{tokens}tok"),
            Self::Run(fraction) => write!(f, "{fraction}run"),
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Written;
        impl Visitor<'_> for Written {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"200step\", \"3epoch\", \"3e9tok\" or \"0.06run\"")
            }

            fn visit_u64<E: Error>(self, steps: u64) -> Result<Duration, E> {
                Ok(Duration::Steps(steps))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_written() {
        let check = |text: &str, expected: Duration, again: &str| {
            let parsed: Duration = text.parse().unwrap();
            assert_eq!((parsed, parsed.to_string().as_str()), (expected, again));
            assert_eq!(again.parse(), Ok(expected));
        };
        check("2000step", Duration::Steps(2000), "2000step");
        check("1_000 steps", Duration::Steps(1000), "1000step");
        check("1e3step", Duration::Steps(1000), "1000step");
        check("3epoch", Duration::Epochs(3.0), "3epoch");
        check("0.5epoch", Duration::Epochs(0.5), "0.5epoch");
        check("3e9tok", Duration::Tokens(3e9), "3000000000tok");
        check("1.5e+6tok", Duration::Tokens(1.5e6), "1500000tok");
        check("0.06run", Duration::Run(0.06), "0.06run");
    }

    #[test]
    fn what_is_no_duration_says_why() {
        let check = |text: &str, expected: &str| {
            let error = text.parse::<Duration>().unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        };
        check("2000", "has no unit");
        check("12 parsecs", "has the unit parsecs: write 200step, 3epoch or 3e9tok");
        check("step", "has no number");
        check("-3epoch", "not a duration");
        check("1.5step", "whole number of steps");
        check("2run", "more than the whole run");
        check("", "has no number");
    }

    #[test]
    fn other_units_become_steps() {
        let scale = Scale { rows: 1000, rows_per_step: 64.0, tokens_per_row: 32.0 };
        let check = |text: &str, expected| {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration.steps(scale, 200), expected, "{text}");
        };
        check("7step", 7);
        check("1epoch", 16);
        check("2epoch", 32);
        check("2048tok", 1);
        check("2049tok", 2);
        check("0.06run", 12);
        check("0.001run", 1);
        check("0run", 0);
    }
}
