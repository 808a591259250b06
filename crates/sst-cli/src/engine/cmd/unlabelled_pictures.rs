//! `sst eval` with evaluators of vectors that need no labels, on pictures: rankme and cka.

use std::sync::Arc;

use anyhow::Result;
use sst_cli::args::{ComparedTextArgs, EmbeddedTextArgs, RecordFieldArgs};
use sst_cli::exit::Usage;
use sst_core::{Modality, Model};
use sst_data::rows::{Dataset, Subset};
use sst_data::{Ledger, Processor};
use sst_eval::{ComparedTexts, EmbeddedPictures, Entry, Input};
use sst_models::LoadHead;

use super::embed_pictures::{batch_size, vector_of};
use super::measure::{Measured, Setting, evaluate};
use super::pictures::{PictureFiles, images, must_read, refuse_for_pictures};
use crate::model::{self, ModelLocation};
use crate::settings;

/// Measures a model with an evaluator of the vectors of single pictures.
///
/// # Errors
/// If an argument is for texts, model or data cannot be read, or there is nothing to measure.
pub(super) fn embedded(
    entry: &Entry,
    args: &EmbeddedTextArgs,
    found: &ModelLocation,
    given: Vec<Setting<'_>>,
) -> Result<Measured> {
    refuse_for_pictures(
        found,
        &[
            ("--format", args.documents.format.is_some()),
            ("--text-field", args.documents.text_field != "text"),
            ("--prompt", args.prompt.is_some()),
            ("--normalize", args.pooling.normalize),
            ("--no-normalize", args.pooling.no_normalize),
            ("--max-length", args.pooling.max_length.is_some()),
        ],
    )?;
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let (model, processor) = found.load(device, LoadHead::AsFound, &ledger)?;
    let vector = vector_of(&*model, args.pooling.pooling.as_deref())?;
    let files = PictureFiles::new(&args.data, &args.pictures, args.documents.skip_errors);
    let images = images(&processor, &found.folder)?;
    let rows = Arc::new(files.rows(Subset::All, images, None, &ledger)?);
    let batch_size = batch_size(&*model, args.batch_tokens)?;
    let input =
        Input::EmbeddedPictures(EmbeddedPictures { rows, vector: Some(vector), batch_size });
    let report = evaluate(entry, given, input, &*model, None, &args.model)?;
    let report = report.with_setting("vector", &vector.to_string());
    Ok(Measured::new(report, ledger, args.json))
}

/// Compares the vectors of pictures in two models, or in the layers of one.
///
/// # Errors
/// If an argument is for texts, a model or the data cannot be read, or there is nothing to measure.
pub(super) fn compared(
    entry: &Entry,
    args: &ComparedTextArgs,
    found: &ModelLocation,
    given: Vec<Setting<'_>>,
) -> Result<Measured> {
    let RecordFieldArgs { format, text_field, field, tag_field, tag_scheme, skip_errors } =
        &args.records;
    refuse_for_pictures(
        found,
        &[
            ("--format", format.is_some()),
            ("--text-field", text_field.is_some()),
            ("--field", !field.is_empty()),
            ("--tag-field", tag_field.is_some()),
            ("--tag-scheme", tag_scheme.is_some()),
            ("--max-length", args.max_length.is_some()),
        ],
    )?;
    let other = args.other.as_deref().map(model::find).transpose()?;
    if let Some(other) = &other {
        must_read(other, Modality::Image)?;
    }
    let device = settings::open_device(&args.device)?;
    let ledger = Ledger::new();
    let files = PictureFiles::new(&args.data, &args.pictures, *skip_errors);
    let load = |found: &ModelLocation| -> Result<(Box<dyn Model>, Processor)> {
        Ok(found.load(device, LoadHead::AsFound, &ledger)?)
    };
    let rows = |found: &ModelLocation, processor: &Processor, ledger: &Ledger| -> Result<_> {
        let images = images(processor, &found.folder)?;
        let rows: Arc<dyn Dataset> = Arc::new(files.rows(Subset::All, images, None, ledger)?);
        Ok(rows)
    };
    let (model, processor) = load(found)?;
    let own = rows(found, &processor, &ledger)?;
    let other = match &other {
        Some(found) => {
            let (model, processor) = load(found)?;
            // What is skipped of the same files is in the ledger already.
            let rows = rows(found, &processor, &Ledger::new())?;
            Some((model, rows))
        }
        None => None,
    };
    if other.as_ref().is_some_and(|(_, rows)| rows.len() != own.len()) {
        let message = "the two models read different numbers of pictures of these files";
        return Err(Usage(message.to_owned()).into());
    }
    let input = Input::ComparedTexts(ComparedTexts { rows: own, other });
    let report = evaluate(entry, given, input, &*model, None, &args.model)?;
    Ok(Measured::new(report, ledger, args.json))
}
