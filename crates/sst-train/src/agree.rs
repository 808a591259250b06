//! Agreement between ranks: if one rank fails or has to skip a step, all ranks do the same.

use sst_core::{Ranks, Verdict};

use crate::error::TrainError;

/// Exchanges the verdicts of all ranks. Returns the greatest one with this rank's value. An error counts as
/// [`Verdict::Fail`].
///
/// # Errors
/// If a rank has an error. That rank returns its own error, and the others return [`TrainError::OtherRank`] with the
/// message of the first rank that failed.
pub(crate) fn agree<T>(
    ranks: &dyn Ranks,
    mine: Result<(Verdict, T), TrainError>,
) -> Result<(Verdict, T), TrainError> {
    let verdict = mine.as_ref().map_or(Verdict::Fail, |(verdict, _)| *verdict);
    let agreed = ranks.agree(verdict)?;
    if agreed < Verdict::Fail {
        let (_, value) = mine?;
        return Ok((agreed, value));
    }
    // All ranks take part in the exchange of messages. The message of a rank without an error is empty.
    let message = mine.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let messages = ranks.gather_bytes(message.as_bytes());
    mine?;
    let failed = messages?.into_iter().enumerate().find(|(_, message)| !message.is_empty());
    let (rank, message) = failed.unwrap_or_default();
    Err(TrainError::OtherRank { rank, message: String::from_utf8_lossy(&message).into_owned() })
}

/// Returns this rank's value if no rank has an error.
///
/// # Errors
/// As for [`agree`].
pub(crate) fn agree_on_success<T>(
    ranks: &dyn Ranks,
    mine: Result<T, TrainError>,
) -> Result<T, TrainError> {
    agree(ranks, mine.map(|value| (Verdict::Go, value))).map(|(_, value)| value)
}
