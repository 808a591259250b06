//! `sst eval` with evaluators of frozen vectors on labelled pictures: probe, knn and mdl.

use std::sync::Arc;

use anyhow::Result;
use sst_cli::args::{LabelledRowArgs, RecordFieldArgs};
use sst_cli::exit::Usage;
use sst_data::pictures::LABEL;
use sst_data::{Ledger, Processor};

use super::labelled_parts::{Parts, parts};
use super::pictures::{PictureFiles, images, refuse_for_pictures};
use crate::model::ModelLocation;

/// Checks the arguments before anything is loaded.
///
/// # Errors
/// If one is for texts.
pub(super) fn check(args: &LabelledRowArgs, found: &ModelLocation) -> Result<()> {
    let RecordFieldArgs { format, text_field, field: _, tag_field, tag_scheme, skip_errors: _ } =
        &args.records;
    refuse_for_pictures(
        found,
        &[
            ("--format", format.is_some()),
            ("--text-field", text_field.is_some()),
            ("--tag-field", tag_field.is_some()),
            ("--tag-scheme", tag_scheme.is_some()),
            ("--max-length", args.max_length.is_some()),
        ],
    )?;
    label_field(args).map(|_| ())
}

/// The field of the label.
fn label_field(args: &LabelledRowArgs) -> Result<&str> {
    let mut label = LABEL;
    for given in &args.records.field {
        match given.split_once('=') {
            Some((LABEL, field)) => label = field,
            _ => {
                let message = format!(
                    "--field is `{given}`: for pictures write label=FIELD, and --image-field for the picture"
                );
                return Err(Usage(message).into());
            }
        }
    }
    Ok(label)
}

/// The pictures of both parts.
///
/// # Errors
/// If a picture cannot be used and is not skipped, or a label of the test part is not in the training part.
pub(super) fn read(
    args: &LabelledRowArgs,
    found: &ModelLocation,
    processor: &Processor,
    ledger: &Ledger,
) -> Result<Parts> {
    let images = images(processor, &found.folder)?;
    let label = label_field(args)?;
    let files = |paths: &[String]| {
        PictureFiles::new(paths, &args.pictures, args.records.skip_errors).with_labels(label)
    };
    let [learned, held_out] = parts(args);
    let train = files(&args.data).rows(learned, images, None, ledger)?;
    let labels = train.store().labels().map(|table| table.names.clone()).unwrap_or_default();
    let test = match args.test.is_empty() {
        // The counts of the same files are in the ledger already.
        true => files(&args.data).rows(held_out, images, None, &Ledger::new())?,
        false => files(&args.test).rows(held_out, images, Some(&labels), ledger)?,
    };
    Ok((Arc::new(train), Arc::new(test), labels))
}
