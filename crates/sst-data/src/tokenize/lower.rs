//! Adds lower-casing to a tokenizer, for sentence-transformers folders with `do_lower_case`.

use std::sync::{Arc, OnceLock};

use tokenizers::NormalizerWrapper;
use tokenizers::normalizers::{Lowercase, Sequence};

use super::cache::WordCache;
use super::long::Cuts;
use super::{Inner, TokenizeError, Tokenizer};

impl Tokenizer {
    /// The same tokenizer with a lower-casing step before its own normalizer, unless it has one already, as
    /// sentence-transformers adds it. Special tokens are matched before the normalizer runs, so they keep their case.
    ///
    /// # Errors
    /// If the crate `tokenizers` refuses the step.
    pub fn lowercased(&self) -> Result<Self, TokenizeError> {
        let inner = &*self.inner;
        let normalizer = inner.library.get_normalizer().cloned();
        let steps: Vec<NormalizerWrapper> = match normalizer {
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
            template: inner.template.clone(),
            config: inner.config.clone(),
            templates: inner.templates.clone(),
            unused: inner.unused.clone(),
            // Lower-casing makes a character at most three times longer, and few characters grow at all.
            growth: inner.growth.clone(),
            fingerprint: OnceLock::new(),
        };
        Ok(Self { inner: Arc::new(inner), vocabulary: self.vocabulary })
    }
}
