//! The configuration of `tag`.

use serde::{Deserialize, Serialize};
use sst_data::RowSpec;
use sst_data::entities::{EntityLabels, EntityScheme};
use sst_data::records::{Column, ColumnKind, Stride, WindowSpec};

use super::{ENTITIES, TEXT};
use crate::error::ObjectiveError;
use crate::parse::check_rate;

/// The configuration of `tag`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TagConfig {
    /// The scheme of the labels that the model learns: `IOB2`, `BIOES`, `BMES`, `BMEWO`, `BILOU` or `IO`, or `auto`: that
    /// of the model's head, and IOB2 for a new head.
    pub scheme: String,
    /// The fraction of the target that is spread evenly over all labels, as in `classify`.
    pub label_smoothing: f64,
    /// The number of tokens that two windows of a long text share, or `auto` for a quarter of the longest row.
    pub stride: Stride,
}

impl Default for TagConfig {
    fn default() -> Self {
        Self { scheme: "auto".to_owned(), label_smoothing: 0.0, stride: Stride::Auto }
    }
}

impl TagConfig {
    /// The columns of the records, and their windows.
    pub(super) fn rows(&self) -> RowSpec {
        RowSpec::Records {
            columns: vec![
                Column::new(TEXT, ColumnKind::Text),
                Column::new(ENTITIES, ColumnKind::Entities { text: TEXT.to_owned() }),
            ],
            window: Some(WindowSpec { text: TEXT.to_owned(), stride: self.stride }),
        }
    }

    /// Checks the values that serde cannot check.
    pub(super) fn check(&self) -> Result<(), ObjectiveError> {
        self.given_scheme()?;
        check_rate("label_smoothing", self.label_smoothing)
    }

    /// The scheme that is asked for by name.
    fn given_scheme(&self) -> Result<Option<EntityScheme>, ObjectiveError> {
        if self.scheme == "auto" {
            return Ok(None);
        }
        let refuse =
            |message: String| ObjectiveError::Config { path: "scheme".to_owned(), message };
        match self.scheme.parse() {
            // The names of the outputs would not tell which of the two it is.
            Ok(EntityScheme::Iob1) => {
                let message = "is IOB1, whose labels in a saved model cannot be told from those of IOB2: write IOB2 (data \
                               in IOB1 is read and converted)";
                Err(refuse(message.to_owned()))
            }
            Ok(scheme) => Ok(Some(scheme)),
            Err(error) => Err(refuse(format!("{error}, and auto"))),
        }
    }

    /// The labels of a new head for entities of these types.
    pub(super) fn new_table(&self, types: &[String]) -> Result<EntityLabels, ObjectiveError> {
        let scheme = self.given_scheme()?.unwrap_or(EntityScheme::Iob2);
        Ok(EntityLabels::new(types, scheme))
    }

    /// The labels of a head with these outputs. The scheme must be the one that is asked for.
    pub(super) fn table_of(&self, outputs: &[String]) -> Result<EntityLabels, ObjectiveError> {
        let refuse = |message: String| ObjectiveError::Labels { message };
        let table = EntityLabels::of(outputs).map_err(|error| {
            refuse(format!(
                "the outputs of the model's head are no labels of entities: {error}; start the head anew"
            ))
        })?;
        if let Some(label) = table.missing() {
            let scheme = table.scheme();
            return Err(refuse(format!(
                "the model's head has no output for `{label}`, which {scheme} needs: start the head anew"
            )));
        }
        match self.given_scheme()? {
            Some(given)
                if EntityLabels::new(table.types(), given).names().len() != outputs.len() =>
            {
                let path = "scheme".to_owned();
                let message = format!(
                    "is {given}, but the outputs of the model's head are labels of {}: write auto, or start the head anew",
                    table.scheme()
                );
                Err(ObjectiveError::Config { path, message })
            }
            _ => Ok(table),
        }
    }

    /// The scheme that words are labelled in, for a head with the labels of `table`.
    pub(super) fn scheme(&self, table: &EntityLabels) -> Result<EntityScheme, ObjectiveError> {
        Ok(self.given_scheme()?.unwrap_or_else(|| table.scheme()))
    }
}
