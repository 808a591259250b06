//! Freezing parameters by name.

use glob::Pattern;
use sst_core::ParamStore;

use crate::error::TrainError;
use crate::setting;

/// Takes the parameters that `patterns` name out of training and returns their names, in the store's
/// order: they get no gradient, no moments and no decay.
///
/// A pattern with `*`, `?` or `[` is a glob over the whole name. Any other is the beginning of a name, up
/// to the end or a dot: `encoder.layer.1` is layer 1 and not layer 10.
///
/// # Errors
/// If a pattern is no glob or names no parameter, with the pattern; nothing is changed then.
pub fn freeze(params: &mut ParamStore, patterns: &[String]) -> Result<Vec<String>, TrainError> {
    let mut frozen = vec![false; params.iter().count()];
    for pattern in patterns {
        let matcher = Matcher::new(pattern)?;
        let mut found = false;
        for (mark, (name, _)) in frozen.iter_mut().zip(params.iter()) {
            if matcher.matches(name) {
                (*mark, found) = (true, true);
            }
        }
        if !found {
            let first = params.iter().next().map_or("none", |(name, _)| name).to_owned();
            let reason = format!(
                "`{pattern}` matches no parameter of the model; its names are like `{first}`"
            );
            return Err(TrainError::Config { setting: setting::FREEZE, reason });
        }
    }
    let names: Vec<String> = (frozen.iter().zip(params.iter()))
        .filter(|(frozen, _)| **frozen)
        .map(|(_, (name, _))| name.to_owned())
        .collect();
    params.set_trainable(false, |name| names.iter().any(|frozen| frozen == name))?;
    Ok(names)
}

/// What a pattern says of a name.
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
            reason: format!("`{pattern}` is no glob: {error}"),
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
