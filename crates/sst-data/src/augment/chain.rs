//! Applies several augmentations one after the other.

use super::{Augment, AugmentError, Draw};

/// Augmentations that are applied in order, each to the output of the one before it.
pub struct Chain {
    kinds: Vec<Box<dyn Augment>>,
}

impl Chain {
    /// A chain of `kinds`.
    ///
    /// # Errors
    /// If the same augmentation occurs twice. Its random draws are keyed by its name, so both would make the same
    /// draws.
    pub fn new(kinds: Vec<Box<dyn Augment>>) -> Result<Self, AugmentError> {
        for (place, kind) in kinds.iter().enumerate() {
            if kinds[..place].iter().any(|earlier| earlier.name() == kind.name()) {
                return Err(AugmentError::Twice { kind: kind.name() });
            }
        }
        Ok(Self { kinds })
    }

    /// The names of the augmentations, in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.kinds.iter().map(|kind| kind.name()).collect()
    }

    /// A view of each text, in the same order. `draws` has one entry for each text.
    ///
    /// # Errors
    /// The first error of an augmentation.
    pub fn augment(&self, texts: Vec<String>, draws: &[Draw]) -> Result<Vec<String>, AugmentError> {
        self.kinds.iter().try_fold(texts, |texts, kind| kind.augment(texts, draws))
    }
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Chain").field(&self.names()).finish()
    }
}
