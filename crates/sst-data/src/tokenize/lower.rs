//! A tokenizer that reads lower case, for folders of sentence-transformers that say `do_lower_case`.

use std::sync::{Arc, OnceLock};

use tokenizers::NormalizerWrapper;
use tokenizers::normalizers::{Lowercase, Sequence};

use super::cache::WordCache;
use super::long::Cuts;
use super::{Inner, TokenizeError, Tokenizer};

impl Tokenizer {
    /// The same tokenizer with a lower-casing step before its own normalisation, unless it has one, as
    /// sentence-transformers adds it. Special tokens are found before, so they keep their case.
    ///
    /// # Errors
    /// If the library refuses the step.
    pub fn lowercased(&self) -> Result<Self, TokenizeError> {
        let inner = &*self.inner;
        let own = inner.library.get_normalizer().cloned();
        let steps: Vec<NormalizerWrapper> = match own {
            None => Vec::new(),
            Some(NormalizerWrapper::Sequence(steps)) => steps.into_iter().collect(),
            Some(step) => vec![step],
        };
        if steps.iter().any(|step| matches!(step, NormalizerWrapper::Lowercase(_))) {
            return Ok(self.clone());
        }
        let lower = NormalizerWrapper::Lowercase(Lowercase);
        let steps = std::iter::once(lower).chain(steps).collect();
        let mut library = inner.library.clone();
        let changed = library.with_normalizer(Some(Sequence::new(steps))).map(|_| ());
        changed.map_err(|error| TokenizeError::invalid(&inner.name, error.to_string()))?;
        let inner = Inner {
            words: WordCache::of(&library),
            cuts: Cuts::of(&library),
            library,
            name: inner.name.clone(),
            vocab_size: inner.vocab_size,
            special: inner.special.clone(),
            names: inner.names.clone(),
            frame: inner.frame.clone(),
            config: inner.config.clone(),
            templates: inner.templates.clone(),
            unused: inner.unused.clone(),
            // Lower case takes three times the characters at most, and such are few.
            growth: inner.growth.clone(),
            fingerprint: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner), vocabulary: self.vocabulary })
    }
}
