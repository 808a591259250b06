//! Rows of records for the commands that use a task head.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use sst_cli::args::RecordFieldArgs;
use sst_cli::exit::Usage;
use sst_cli::host::source::named;
use sst_data::read::{OnError, Source};
use sst_data::records::{Column, RecordPreparation, Records, RowLimits};
use sst_data::rows::Subset;
use sst_data::tokenize::Tokenizer;
use sst_data::transform::Transforms;
use sst_data::{Ledger, RowSpec};

/// Which records are read, and how.
pub(super) struct RecordFiles {
    source: Source,
    /// The field of each column that has another name in the files.
    fields: BTreeMap<String, String>,
}

impl RecordFiles {
    /// The files at `paths`, read as the arguments say.
    ///
    /// # Errors
    /// If an argument is wrong.
    pub(super) fn new(paths: &[String], args: &RecordFieldArgs) -> Result<Self> {
        let RecordFieldArgs { format, text_field, field, tag_field, tag_scheme, skip_errors } =
            args;
        let mut fields: BTreeMap<String, String> =
            text_field.iter().map(|name| ("text".to_owned(), name.clone())).collect();
        for given in field {
            let Some((column, name)) = given.split_once('=') else {
                let message =
                    format!("--field is `{given}`: write COLUMN=FIELD, such as text=body");
                return Err(Usage(message).into());
            };
            if fields.insert(column.to_owned(), name.to_owned()).is_some() {
                let message = format!("--field names a field for `{column}` twice: remove one");
                return Err(Usage(message).into());
            }
        }
        let source = Source {
            paths: paths.to_vec(),
            format: format.as_deref().map(|name| named("--format", name)).transpose()?,
            tag_field: tag_field.clone(),
            tag_scheme: tag_scheme
                .as_deref()
                .map(|name| named("--tag-scheme", name))
                .transpose()?,
            on_error: if *skip_errors { OnError::Skip } else { OnError::Fail },
            ..Source::default()
        };
        Ok(Self { source, fields })
    }

    /// Files that the command itself wrote.
    pub(super) fn own(paths: Vec<String>) -> Self {
        Self { source: Source { paths, ..Source::default() }, fields: BTreeMap::new() }
    }

    /// The columns with the fields that are named for them.
    ///
    /// # Errors
    /// If a field is named for a column that there is not.
    fn columns(&self, columns: &[Column]) -> Result<Vec<Column>> {
        let known: Vec<&str> = columns.iter().map(|column| &*column.name).collect();
        if let Some(name) = self.fields.keys().find(|name| !known.contains(&name.as_str())) {
            let message =
                format!("--field names `{name}`, and the columns are {}", known.join(", "));
            return Err(Usage(message).into());
        }
        let field = |column: &Column| match self.fields.get(&column.name) {
            Some(field) => column.clone().from_field(field),
            None => column.clone(),
        };
        Ok(columns.iter().map(field).collect())
    }

    /// The field of a column.
    pub(super) fn field(&self, column: &str) -> String {
        self.fields.get(column).cloned().unwrap_or_else(|| column.to_owned())
    }

    /// The source, for reading all fields of the records. `text` is the column with the text of a record.
    pub(super) fn source(&self, text: &str) -> Source {
        Source { text_field: self.field(text), ..self.source.clone() }
    }

    /// The rows of the records as `spec` says. `labels` are those of the column with labels; empty to take them from the
    /// data. `cache` is the folder for the prepared records.
    ///
    /// # Errors
    /// If a record is not valid, or a row has no room.
    pub(super) fn rows(
        &self,
        spec: &RowSpec,
        labels: &[String],
        tokenizer: &Tokenizer,
        max_length: usize,
        cache: &Path,
        ledger: &Ledger,
    ) -> Result<Records> {
        self.subset(Subset::All, spec, labels, tokenizer, max_length, cache, ledger)
    }

    /// [`RecordFiles::rows`] of a part of the records.
    ///
    /// # Errors
    /// Those of [`RecordFiles::rows`].
    #[allow(
        clippy::too_many_arguments,
        reason = "each is a different thing, and no two belong together"
    )]
    pub(super) fn subset(
        &self,
        subset: Subset,
        spec: &RowSpec,
        labels: &[String],
        tokenizer: &Tokenizer,
        max_length: usize,
        cache: &Path,
        ledger: &Ledger,
    ) -> Result<Records> {
        let RowSpec::Records { columns, window } = spec else {
            return Err(Usage("this command reads records".to_owned()).into());
        };
        let columns = self.columns(columns)?;
        let labelled = columns.iter().find(|column| column.has_labels() && !labels.is_empty());
        let labels = labelled.map(|column| (column.name.clone(), labels.to_vec()));
        let preparation = RecordPreparation {
            source: &self.source,
            columns: &columns,
            labels: &labels.into_iter().collect(),
            tokenizer,
            ledger,
            cache,
        };
        let store = preparation.prepare(&mut |_, _| {})?;
        let on_error = self.source.on_error;
        let limits = RowLimits { max_length, window: window.clone(), on_error };
        let none = Transforms::none();
        Ok(Records::new(store, tokenizer, none, subset, limits, ledger)?)
    }
}
