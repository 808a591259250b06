//! Pictures for the commands that read them.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use sst_cli::args::PictureArgs;
use sst_cli::exit::Usage;
use sst_cli::files;
use sst_core::{HeadKind, Modality, Model};
use sst_data::pictures::transform::ResizeTo;
use sst_data::pictures::{
    CaptionTokens, ImageProcessor, PictureLimits, PicturePreparation, PictureSource, PictureStore,
    Pictures, StoredPictures, StoredSize,
};
use sst_data::read::OnError;
use sst_data::rows::Subset;
use sst_data::{Ledger, Processor};

use super::eval_records::max_length;
use crate::model::ModelLocation;

/// What `--fields` calls the picture of a record.
pub(super) const IMAGE: &str = "image";
/// The largest side of a stored picture. Smaller ones are stored as they are.
const LARGEST_SIDE: u32 = 4096;

/// Which pictures are read, and how.
pub(super) struct PictureFiles {
    source: PictureSource,
}

impl PictureFiles {
    /// The pictures at `paths`.
    pub(super) fn new(paths: &[String], args: &PictureArgs, skip_errors: bool) -> Self {
        let PictureArgs { image_field, max_pixels, max_file_bytes } = args;
        let default = PictureLimits::default();
        let limits = PictureLimits {
            max_pixels: max_pixels.unwrap_or(default.max_pixels),
            max_file_bytes: max_file_bytes.unwrap_or(default.max_file_bytes),
        };
        let on_error = if skip_errors { OnError::Skip } else { OnError::Fail };
        Self {
            source: PictureSource {
                paths: paths.to_vec(),
                picture_field: image_field.clone(),
                on_error,
                limits,
                ..PictureSource::default()
            },
        }
    }

    /// The same pictures with the captions in `field`.
    pub(super) fn with_captions(mut self, field: &str) -> Self {
        self.source.caption_fields = vec![field.to_owned()];
        self
    }

    /// The same pictures with the labels in `field`, or of their folders.
    pub(super) fn with_labels(mut self, field: &str) -> Self {
        self.source.label_field = Some(field.to_owned());
        self
    }

    /// The pictures, from the cache or prepared now, as `processor` resizes them, so that each is resized only once.
    /// `labels` are those that the labels must be among; `None` collects them.
    ///
    /// # Errors
    /// If a picture cannot be used and is not skipped.
    pub(super) fn store(
        &self,
        processor: &ImageProcessor,
        labels: Option<&[String]>,
        ledger: &Ledger,
    ) -> Result<Arc<PictureStore>> {
        let size = match processor.resize {
            Some(ResizeTo::ShortestEdge { shortest_edge }) => StoredSize::ShortSide(shortest_edge),
            Some(ResizeTo::Sides(sides)) => match sides.width_height() {
                (width, height) if width == height => StoredSize::Square(width),
                _ => StoredSize::ShortSide(LARGEST_SIDE),
            },
            None => StoredSize::ShortSide(LARGEST_SIDE),
        };
        let preparation = PicturePreparation {
            source: &self.source,
            stored: StoredPictures { size, resample: processor.resample },
            labels,
            ledger,
            cache: &files::user_cache()?.join("prepared").join("pictures"),
        };
        Ok(preparation.prepare(&mut |_, _| {})?)
    }

    /// The rows of a part of the pictures, as `processor` prepares them.
    ///
    /// # Errors
    /// As for [`PictureFiles::store`].
    pub(super) fn rows(
        &self,
        subset: Subset,
        processor: &ImageProcessor,
        labels: Option<&[String]>,
        ledger: &Ledger,
    ) -> Result<Pictures> {
        Ok(Pictures::new(self.store(processor, labels, ledger)?, processor.transforms()?, subset)?)
    }
}

/// Refuses options for pictures, where the model reads texts.
///
/// # Errors
/// If one is given. `others` are further options, and whether they are given.
pub(super) fn refuse_for_texts(
    found: &ModelLocation,
    args: &PictureArgs,
    others: &[(&str, bool)],
) -> Result<()> {
    let PictureArgs { image_field, max_pixels, max_file_bytes } = args;
    let own = [
        ("--image-field", image_field.is_some()),
        ("--max-pixels", max_pixels.is_some()),
        ("--max-file-bytes", max_file_bytes.is_some()),
    ];
    refuse(own.iter().chain(others), &format!("the model {}, which reads texts", name(found)))
}

/// Refuses options for texts, where the model reads pictures.
///
/// # Errors
/// If one of `options` is given.
pub(super) fn refuse_for_pictures(found: &ModelLocation, options: &[(&str, bool)]) -> Result<()> {
    refuse(options.iter(), &format!("the model {}, which reads pictures", name(found)))
}

fn refuse<'o>(mut options: impl Iterator<Item = &'o (&'o str, bool)>, what: &str) -> Result<()> {
    match options.find(|(_, is_given)| *is_given) {
        Some((option, _)) => Err(Usage(format!("{option} is not for {what}: remove it")).into()),
        None => Ok(()),
    }
}

fn name(found: &ModelLocation) -> impl std::fmt::Display + '_ {
    found.folder.display()
}

/// Checks that models of this type read inputs of `modality`, before anything is loaded.
///
/// # Errors
/// If they do not.
pub(super) fn must_read(found: &ModelLocation, modality: Modality) -> Result<()> {
    if found.reads(modality) {
        return Ok(());
    }
    let (what, instead) = match modality {
        Modality::Image => ("pictures", "ViT, ViTMAE, CLIP, SigLIP or a dual encoder"),
        Modality::Text => ("texts", "CLIP, SigLIP or a dual encoder"),
    };
    let folder = name(found);
    let message = format!("the model {folder} reads no {what}: take one that does ({instead})");
    Err(Usage(message).into())
}

/// Checks that the model projects pictures and texts into one space, before data is read.
///
/// # Errors
/// If it does not.
pub(super) fn must_project(found: &ModelLocation, model: &dyn Model) -> Result<()> {
    for modality in [Modality::Image, Modality::Text] {
        if let Err(error) = model.head(HeadKind::Projection(modality)) {
            return Err(Usage(format!("{}: {error}", name(found))).into());
        }
    }
    Ok(())
}

/// How the captions of a model are tokenised. `given` is the largest number of tokens, if one is given.
///
/// # Errors
/// If the folder has no tokenizer, or the number is too large or too small.
pub(super) fn caption_tokens(
    model: &dyn Model,
    processor: &Processor,
    given: Option<usize>,
    ledger: &Ledger,
) -> Result<CaptionTokens> {
    let tokenizer = processor.tokenizer()?;
    let limit = model.max_length()?;
    // Without a given number, captions are cut where the tokenizer of the folder cuts texts.
    let given = given.or(tokenizer.model_max_length().filter(|length| *length < limit));
    Ok(CaptionTokens::new(tokenizer, max_length(given, limit)?, ledger)?)
}

/// The image processor of a model that reads pictures.
///
/// # Errors
/// If there is none.
pub(super) fn images<'p>(processor: &'p Processor, folder: &Path) -> Result<&'p ImageProcessor> {
    processor.images().ok_or_else(|| {
        Usage(format!("the model {} has no image processor", folder.display())).into()
    })
}
