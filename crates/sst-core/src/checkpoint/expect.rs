//! The shapes that a file of weights holds, known before a model is built.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::load::{Allow, Renamed};
use super::read::Weights;
use crate::error::{Error, LoadReport, Result};
use crate::params::{Admit, Admitted};

/// A model whose configuration does not fit its weights is given up after this many differences.
const MAX_PROBLEMS: usize = 50;

/// The parameters that a file of weights holds. A [`crate::ParamStore`] that knows them takes memory for a
/// parameter only if the file has it in that shape, so a size in a config.json that is not that of the
/// weights costs nothing, however large it is.
#[derive(Debug)]
pub struct FileShapes {
    shapes: HashMap<String, Vec<i64>>,
    may_miss: Vec<String>,
    report: Mutex<LoadReport>,
}

impl FileShapes {
    /// The shapes of `weights` by the names of parameters. `allow` says what may be missing.
    ///
    /// # Errors
    /// If the header of the file cannot be read.
    pub fn new(weights: &Weights, rename: impl Fn(&str) -> Renamed, allow: &Allow) -> Result<Self> {
        let mut shapes = HashMap::new();
        for name in weights.names() {
            if let Renamed::To(target) = rename(name) {
                shapes.insert(target, weights.shape(name)?);
            }
        }
        Ok(Self { shapes, may_miss: allow.missing.clone(), report: Mutex::default() })
    }

    /// What was asked for and does not fit; nothing if all does.
    pub fn problems(&self) -> Option<LoadReport> {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        (*report != LoadReport::default()).then(|| report.clone())
    }
}

impl Admit for FileShapes {
    /// An error if too many did not fit before: there may be thousands of millions of them.
    fn admit(&self, name: &str, shape: &[i64]) -> Result<Admitted> {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fine = *report == LoadReport::default();
        match self.shapes.get(name) {
            Some(held) if held == shape => {}
            Some(held) => report.mismatched.push((name.to_owned(), shape.to_vec(), held.clone())),
            // Its size follows from those of others, which were right so far.
            None if is_fine && self.may_miss.iter().any(|start| name.starts_with(&**start)) => {
                return Ok(Admitted::New);
            }
            None => report.missing.push(name.to_owned()),
        }
        if report.missing.len() + report.mismatched.len() > MAX_PROBLEMS {
            return Err(Error::Contract("the weights do not fit the configuration".to_owned()));
        }
        match *report == LoadReport::default() {
            true => Ok(Admitted::Held),
            false => Ok(Admitted::Refused),
        }
    }
}
