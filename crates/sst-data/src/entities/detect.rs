//! Finds the scheme of a data set.

use super::error::EntityError;
use super::legal::is_legal;
use super::scheme::EntityScheme;

/// How well a scheme fits the sequences of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SchemeFit {
    /// The scheme.
    pub scheme: EntityScheme,
    /// The sequences that it does not allow, or that hold labels which it does not have.
    pub illegal: u64,
}

/// For each scheme, in the order of [`EntityScheme::ALL`], the number of sequences that it does not allow.
///
/// # Errors
/// [`EntityError::BadLabel`] for a label of no scheme.
pub fn scheme_fits<S: AsRef<str>>(sequences: &[Vec<S>]) -> Result<Vec<SchemeFit>, EntityError> {
    let fit = |scheme: EntityScheme| {
        let mut illegal = 0;
        for labels in sequences {
            illegal += match is_legal(labels, scheme) {
                Ok(is_legal) => u64::from(!is_legal),
                Err(EntityError::OtherScheme { .. }) => 1,
                Err(error) => return Err(error),
            };
        }
        Ok(SchemeFit { scheme, illegal })
    };
    EntityScheme::ALL.into_iter().map(fit).collect()
}

/// The scheme that the fewest sequences are illegal in; of several the first one of [`EntityScheme::ALL`]. Labels that
/// are all `O` fit every scheme, and labels that are all `O` and `I` fit IOB1 and IO, which then mean the same.
///
/// # Errors
/// [`EntityError::BadLabel`] for a label of no scheme.
pub fn detect<S: AsRef<str>>(sequences: &[Vec<S>]) -> Result<SchemeFit, EntityError> {
    let preferred = SchemeFit { scheme: EntityScheme::ALL[0], illegal: u64::MAX };
    let better =
        |best: SchemeFit, fit: SchemeFit| if fit.illegal < best.illegal { fit } else { best };
    Ok(scheme_fits(sequences)?.into_iter().fold(preferred, better))
}
