//! Several kinds, one after the other.

use super::{Augment, AugmentError, Draw};

/// Kinds that are applied in order, each to what the one before it made.
pub struct Chain {
    kinds: Vec<Box<dyn Augment>>,
}

impl Chain {
    /// The chain of `kinds`.
    ///
    /// # Errors
    /// If a kind is there twice: its draws are keyed by its name, so both would draw alike.
    pub fn new(kinds: Vec<Box<dyn Augment>>) -> Result<Self, AugmentError> {
        for (place, kind) in kinds.iter().enumerate() {
            if kinds[..place].iter().any(|earlier| earlier.name() == kind.name()) {
                return Err(AugmentError::Twice { kind: kind.name() });
            }
        }
        Ok(Self { kinds })
    }

    /// The names of the kinds, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.kinds.iter().map(|kind| kind.name()).collect()
    }

    /// A view of each of `texts`, in their order; `draws` has one for each of them.
    ///
    /// # Errors
    /// The first of a kind's.
    pub fn augment(&self, texts: Vec<String>, draws: &[Draw]) -> Result<Vec<String>, AugmentError> {
        self.kinds.iter().try_fold(texts, |texts, kind| kind.augment(texts, draws))
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Chain").field(&self.names()).finish()
    }
}
