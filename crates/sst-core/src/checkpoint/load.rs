//! Strict loading: every name in the file must be accounted for, and every shape must be equal.

use std::collections::BTreeMap;

use super::read::Weights;
use crate::error::{CheckpointError, LoadReport, Result};
use crate::params::ParamStore;

/// How a tensor of a file is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Renamed {
    /// It is the value of the parameter with this name.
    To(String),
    /// It is skipped: a buffer that models no longer have, or a copy of a tied parameter.
    Ignore,
    /// The model has no parameter for it.
    Unused,
}

/// The differences between file and model that the caller accepts, by prefixes of names.
#[derive(Debug, Clone, Default)]
pub struct Allow {
    /// Parameters whose name starts with one of these may be missing and keep their initial value.
    pub missing: Vec<String>,
    /// Tensors of the file whose name starts with one of these may be left unused.
    pub unexpected: Vec<String>,
}

/// Loads `weights` into `params`. `rename` maps the name of a tensor in the file to its use.
///
/// # Errors
/// If a parameter or a tensor is missing, unexpected or of another shape and `allow` does not name it, or if two
/// tensors with different values are the same parameter; `params` is unchanged then. Also if the type of a parameter
/// is not a floating-point type, or it holds NaN or infinity.
pub fn load_params(
    params: &mut ParamStore,
    weights: &Weights,
    rename: impl Fn(&str) -> Renamed,
    allow: &Allow,
) -> Result<LoadReport> {
    let mut report = LoadReport::default();
    // Maps each parameter to the name of its tensor in the file.
    let mut plan: BTreeMap<String, String> = BTreeMap::new();
    for name in weights.names() {
        match rename(name) {
            Renamed::Ignore => report.ignored.push(name.to_owned()),
            Renamed::Unused => report.unexpected.push(name.to_owned()),
            Renamed::To(target) => match params.get(&target) {
                None => report.unexpected.push(name.to_owned()),
                Some(parameter) => {
                    let shape = weights.shape(name)?;
                    if shape == parameter.size() {
                        match plan.get(&target) {
                            None => {
                                plan.insert(target, name.to_owned());
                            }
                            Some(other) if weights.same(other, name)? => {
                                report.ignored.push(name.to_owned());
                            }
                            Some(other) => {
                                report.doubled.push((target, [other.clone(), name.to_owned()]));
                            }
                        }
                    } else {
                        report.mismatched.push((target, parameter.size(), shape));
                    }
                }
            },
        }
    }
    let taken = |name: &str| {
        plan.contains_key(name) || report.mismatched.iter().any(|(other, _, _)| other == name)
    };
    report.missing =
        params.iter().map(|(name, _)| name).filter(|n| !taken(n)).map(str::to_owned).collect();

    let begins = |name: &String, list: &[String]| list.iter().any(|p| name.starts_with(p.as_str()));
    let refused = LoadReport {
        missing: report.missing.iter().filter(|n| !begins(n, &allow.missing)).cloned().collect(),
        unexpected: (report.unexpected.iter())
            .filter(|n| !begins(n, &allow.unexpected))
            .cloned()
            .collect(),
        mismatched: report.mismatched.clone(),
        doubled: report.doubled.clone(),
        ..LoadReport::default()
    };
    if refused != LoadReport::default() {
        let path = weights.path().to_owned();
        return Err(CheckpointError::Mismatch { path, report: Box::new(refused) }.into());
    }
    let mut buffer = Vec::new();
    for (target, name) in plan {
        params.assign(&target, &weights.finite_tensor(&name, &mut buffer)?)?;
        let dtype = weights.dtype(&name)?;
        if dtype != "F32" {
            *report.converted.entry(dtype).or_default() += 1;
        }
        report.loaded.push(target);
    }
    Ok(report)
}
