//! What became of the names when weights were loaded into a model.

use std::collections::BTreeMap;
use std::fmt;

/// What happened to each name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Parameters that took a value from the file.
    pub loaded: Vec<String>,
    /// Parameters that the file lacks.
    pub missing: Vec<String>,
    /// Tensors of the file that no parameter took.
    pub unexpected: Vec<String>,
    /// Name, shape in the model, shape in the file.
    pub mismatched: Vec<(String, Vec<i64>, Vec<i64>)>,
    /// Known buffers and tied copies that were passed over.
    pub ignored: Vec<String>,
    /// Parameters that the file holds twice, with other numbers, and the two names.
    pub doubled: Vec<(String, [String; 2])>,
    /// Parameters whose type in the file is another than fp32, counted by that type.
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
