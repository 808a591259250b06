//! The result of loading weights into a model, name by name.

use std::collections::BTreeMap;
use std::fmt;

/// How each parameter and each tensor of the file was used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that were loaded from the file.
    pub loaded: Vec<String>,
    /// Parameters that are not in the file.
    pub missing: Vec<String>,
    /// Tensors of the file that are no parameter of the model.
    pub unexpected: Vec<String>,
    /// Parameters of another shape in the file: name, shape in the model, shape in the file.
    pub mismatched: Vec<(String, Vec<i64>, Vec<i64>)>,
    /// Known buffers and copies of tied parameters, which were skipped.
    pub ignored: Vec<String>,
    /// Parameters that two tensors of the file stand for, with different values: the parameter and the names of the
    /// tensors.
    pub doubled: Vec<(String, [String; 2])>,
    /// The number of parameters that were converted to fp32, by their type in the file.
    pub converted: BTreeMap<String, u64>,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in &self.missing {
            writeln!(f, "  missing: {name}")?;
        }
        for name in &self.unexpected {
            writeln!(f, "  unexpected: {name}")?;
        }
        for (name, model, file) in &self.mismatched {
            writeln!(
                f,
                "  other shape: {name} is {model:?} in the model and {file:?} in the file"
            )?;
        }
        for (name, [one, other]) in &self.doubled {
            writeln!(f, "  twice, with other numbers: {name} as {one} and as {other}")?;
        }
        Ok(())
    }
}
