//! Tells sequences of labels that a scheme allows from others.

use super::error::EntityError;
use super::label::Label;
use super::scheme::EntityScheme;

/// Whether a sequence of labels is one that [`write()`](super::write()) makes of some entities.
///
/// # Errors
/// [`EntityError::BadLabel`] and [`EntityError::OtherScheme`] for labels that the scheme does not have.
pub fn is_legal<S: AsRef<str>>(labels: &[S], scheme: EntityScheme) -> Result<bool, EntityError> {
    let parsed = scheme.parse_all(labels)?;
    let mut previous = Label::OUTSIDE;
    for next in parsed.into_iter().chain([Label::OUTSIDE]) {
        if !scheme.may_follow(previous, next) {
            return Ok(false);
        }
        previous = next;
    }
    Ok(true)
}
