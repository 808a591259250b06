//! Freezing: some parameters, selected by name, are not trained.

use glob::Pattern;
use sst_core::ParamStore;

use crate::error::TrainError;
use crate::setting;

/// Turns gradients off for the parameters that `patterns` match, and returns their names in the order of the store.
/// Frozen parameters get no gradient, no optimiser state and no weight decay.
///
/// A pattern with `*`, `?` or `[` is a glob that must match the whole name. Any other pattern matches a name that it
/// equals, or that begins with the pattern and a dot: `encoder.layer.1` matches layer 1 and not layer 10.
///
/// # Errors
/// If a pattern is not a valid glob, or matches no parameter. Nothing is then changed.
pub fn freeze(params: &mut ParamStore, patterns: &[String]) -> Result<Vec<String>, TrainError> {
    let mut is_frozen = vec![false; params.iter().count()];
    for pattern in patterns {
        let matcher = Matcher::new(pattern)?;
        let mut has_match = false;
        for (is_frozen, (name, _)) in is_frozen.iter_mut().zip(params.iter()) {
            if matcher.matches(name) {
                (*is_frozen, has_match) = (true, true);
            }
        }
        if !has_match {
            let first = params.iter().next().map_or("none", |(name, _)| name).to_owned();
            let reason = format!(
                "`{pattern}` matches no parameter of the model; its names are like `{first}`"
            );
            return Err(TrainError::Config { setting: setting::FREEZE, reason });
        }
    }
    let frozen: Vec<String> = (is_frozen.iter().zip(params.iter()))
        .filter(|(is_frozen, _)| **is_frozen)
        .map(|(_, (name, _))| name.to_owned())
        .collect();
    params.set_trainable(false, |name| frozen.iter().any(|frozen| frozen == name))?;
    Ok(frozen)
}

/// A pattern, ready to be compared with names.
enum Matcher {
    Glob(Pattern),
    Prefix(String),
}

impl Matcher {
    fn new(pattern: &str) -> Result<Self, TrainError> {
        if !pattern.contains(['*', '?', '[']) {
            return Ok(Self::Prefix(pattern.trim_end_matches('.').to_owned()));
        }
        Pattern::new(pattern).map(Self::Glob).map_err(|error| TrainError::Config {
            setting: setting::FREEZE,
            reason: format!("`{pattern}` is not a valid glob: {error}"),
        })
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(name),
            Self::Prefix(prefix) if prefix.is_empty() => false,
            Self::Prefix(prefix) => {
                let rest = name.strip_prefix(prefix.as_str());
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            }
        }
    }
}
