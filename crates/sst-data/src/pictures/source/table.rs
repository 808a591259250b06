//! Reads pictures that JSON lines, CSV, TSV or Parquet files name or hold.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::super::skip::Skipping;
use super::super::{PictureError, PictureProblem};
use super::encoded::EncodedPicture;
use super::{PictureSource, RawPicture, values};
use crate::example::{Example, Field, Key};
use crate::ledger::Ledger;
use crate::read::{DocumentWithFields, OnError, ReadError, Source};

/// The field of the picture in a file called `metadata`, as the `datasets` library has it in a folder of pictures.
const FILE_NAME: &str = "file_name";
/// The field of the picture in other files.
const IMAGE: &str = "image";

/// The field that holds the picture in the file `path`.
fn picture_field<'a>(source: &'a PictureSource, path: &Path) -> &'a str {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let default = if name.starts_with("metadata.") { FILE_NAME } else { IMAGE };
    source.picture_field.as_deref().unwrap_or(default)
}

/// Calls `each` with every picture of the file.
pub(super) fn read(
    source: &PictureSource,
    path: &Path,
    ledger: &Ledger,
    each: &mut dyn FnMut(RawPicture) -> Result<(), PictureError>,
) -> Result<(), PictureError> {
    let skipping = Skipping { on_error: source.on_error, ledger };
    let field = picture_field(source, path);
    let table = Source {
        text_field: field.to_owned(),
        on_error: source.on_error,
        ..Source::new([path.to_string_lossy()])
    };
    let names: Vec<Arc<str>> = source.fields().map(Arc::from).collect();
    let folder = path.parent().unwrap_or(Path::new(""));
    for record in table.read_files(&names, ledger)? {
        let record = record.map_err(|error| with_picture_field(error, field))?;
        let key = record.example.key.clone();
        let picture = raw_picture(source, folder, record);
        let picture = picture.map_err(|problem| match source.on_error {
            OnError::Fail => with_fields(&table, &key, problem),
            OnError::Skip => problem,
        });
        if let Some(picture) = skipping.checked(&key, picture)? {
            each(picture)?;
        }
    }
    Ok(())
}

/// Adds to the problem that a record lacks a field which fields it has. They are read again, all of them.
fn with_fields(table: &Source, key: &Key, problem: PictureProblem) -> PictureProblem {
    let PictureProblem::Field { field, .. } = &problem else { return problem };
    let records = table.read_all_fields(&Ledger::new()).ok().into_iter().flatten();
    let record = records.flatten().find(|record| record.example.key == *key);
    let fields = record.map_or_else(Vec::new, |record| record.fields);
    if fields.is_empty() || fields.iter().any(|found| *found.name == **field) {
        return problem;
    }
    values::missing(field, fields.iter().map(|found| &*found.name))
}

/// The error of a missing or wrong text field, said of the field of the picture.
fn with_picture_field(error: ReadError, field: &str) -> PictureError {
    match error {
        ReadError::MissingField { key, found, .. } => {
            PictureError::NoField { key, field: field.to_owned(), found }
        }
        ReadError::NotText { key, field, found } => PictureError::NotAFile { key, field, found },
        other => other.into(),
    }
}

fn raw_picture(
    source: &PictureSource,
    folder: &Path,
    record: DocumentWithFields,
) -> Result<RawPicture, PictureProblem> {
    let DocumentWithFields { example: Example { key, mut fields, .. }, fields: others } = record;
    let mut beside = BTreeMap::new();
    for field in others {
        let value: Value = serde_json::from_str(field.value()).map_err(|error| {
            let reason = format!("cannot be read ({error}): write it again");
            PictureProblem::Field { field: field.name.to_string(), reason }
        })?;
        beside.insert(field.name, value);
    }
    let file = match fields.remove("text") {
        Some(Field::Bytes(bytes)) => EncodedPicture::Bytes { bytes, name: None },
        Some(Field::Text(text)) => EncodedPicture::of_text(text, folder)?,
        _ => return Err(PictureProblem::Missing),
    };
    let label = source.label_field.as_deref();
    let label = label.map(|field| values::label(field, &beside)).transpose()?;
    let captions = values::captions(&source.caption_fields, &beside)?;
    Ok(RawPicture { key, file, label, captions })
}
