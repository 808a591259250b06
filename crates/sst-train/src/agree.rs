//! Agreements between ranks: what one of them cannot do, none of them does.

use sst_core::{Ranks, Verdict};

use crate::error::TrainError;

/// The greatest verdict of all ranks, with what this rank has. An error is the verdict [`Verdict::Fail`].
///
/// # Errors
/// If a rank has an error: the rank itself returns it, all others return [`TrainError::OtherRank`] with its message.
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
    // All ranks exchange their messages; those without an error send an empty one.
    let message = mine.as_ref().err().map(ToString::to_string).unwrap_or_default();
    let messages = ranks.gather_bytes(message.as_bytes());
    mine?;
    let failed = messages?.into_iter().enumerate().find(|(_, message)| !message.is_empty());
    let (rank, message) = failed.unwrap_or_default();
    Err(TrainError::OtherRank { rank, message: String::from_utf8_lossy(&message).into_owned() })
}

/// What this rank has, if no rank has an error.
///
/// # Errors
/// As for [`agree`].
pub(crate) fn agree_on_success<T>(
    ranks: &dyn Ranks,
    mine: Result<T, TrainError>,
) -> Result<T, TrainError> {
    agree(ranks, mine.map(|value| (Verdict::Go, value))).map(|(_, value)| value)
}
