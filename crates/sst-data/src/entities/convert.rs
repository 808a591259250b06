//! Converts sequences of labels from one scheme to another.

use super::error::EntityError;
use super::legal::is_legal;
use super::read::{Entity, read_lenient};
use super::scheme::EntityScheme;
use super::write::write;

/// What a conversion met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConversionCounts {
    /// The sequences that were converted.
    pub sequences: u64,
    /// Those of them that the scheme does not allow. They were read by the lenient rule.
    pub repaired: u64,
    /// Entities that became one with the entity before them, because the new scheme (IO) cannot tell them apart.
    pub joined: u64,
}

/// The labels of a sequence in another scheme. Entities are read by the rule of [`read_lenient`], so that no entity of a
/// sequence that `from` does not allow is lost. What was repaired or joined is added to `counts`.
///
/// # Errors
/// [`EntityError::BadLabel`] and [`EntityError::OtherScheme`] for labels that `from` does not have.
pub fn convert<S: AsRef<str>>(
    labels: &[S],
    from: EntityScheme,
    to: EntityScheme,
    counts: &mut ConversionCounts,
) -> Result<Vec<String>, EntityError> {
    let is_legal = is_legal(labels, from)?;
    let entities = read_lenient(labels)?;
    let converted = write(&entities, labels.len(), to)?;
    counts.sequences += 1;
    counts.repaired += u64::from(!is_legal);
    if to == EntityScheme::Io {
        let touch =
            |pair: &&[Entity<'_>]| pair[0].end == pair[1].start && pair[0].label == pair[1].label;
        counts.joined += entities.windows(2).filter(touch).count() as u64;
    }
    Ok(converted)
}
