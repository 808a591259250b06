//! The shapes of the tensors in a file of weights, which are known before a model is built.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::load::{Allow, Renamed};
use super::read::Weights;
use crate::error::{Error, LoadReport, Result};
use crate::params::{Admit, Admitted};

/// Building a model stops after this many differences between its configuration and its weights.
const MAX_PROBLEMS: usize = 50;

/// The names and shapes of the parameters in a file of weights. A [`crate::ParamStore`] that has them allocates a
/// parameter only if the file holds it in that shape. A wrong size in a config.json therefore costs no memory,
/// however large it is.
#[derive(Debug)]
pub struct FileShapes {
    shapes: HashMap<String, Vec<i64>>,
    may_miss: Vec<String>,
    report: Mutex<LoadReport>,
}

impl FileShapes {
    /// Reads the shapes of `weights` and maps the names in the file to names of parameters with `rename`. `allow`
    /// names the parameters that may be missing.
    ///
    /// # Errors
    /// If the header of the file cannot be read.
    pub fn new(weights: &Weights, rename: impl Fn(&str) -> Renamed, allow: &Allow) -> Result<Self> {
        let (shapes, may_miss) = (HashMap::new(), allow.missing.clone());
        Self { shapes, may_miss, report: Mutex::default() }.with(weights, rename)
    }

    /// Adds the tensors of a second file. Where both hold a parameter, the second one has its value.
    ///
    /// # Errors
    /// If the header of the file cannot be read.
    pub fn with(mut self, weights: &Weights, rename: impl Fn(&str) -> Renamed) -> Result<Self> {
        for name in weights.names() {
            if let Renamed::To(target) = rename(name) {
                self.shapes.insert(target, weights.shape(name)?);
            }
        }
        Ok(self)
    }

    /// The parameters that were requested and do not fit; `None` if all of them do.
    pub fn problems(&self) -> Option<LoadReport> {
        let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        (*report != LoadReport::default()).then(|| report.clone())
    }
}

impl Admit for FileShapes {
    /// Fails once `MAX_PROBLEMS` parameters did not fit: a wrong configuration may ask for billions of them.
    fn admit(&self, name: &str, shape: &[i64]) -> Result<Admitted> {
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        let is_fine = *report == LoadReport::default();
        match self.shapes.get(name) {
            Some(held) if held == shape => {}
            Some(held) => report.mismatched.push((name.to_owned(), shape.to_vec(), held.clone())),
            // Parameters that may be missing have sizes that follow from other sizes, which have been right so far.
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
