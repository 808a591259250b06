//! `[image]`: how pictures are read, stored, and turned into the numbers that the model reads.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sst_core::InputSpec;
use sst_data::pictures::processor::{ProcessorError, ProcessorKind};
use sst_data::pictures::transform::{ResizeTo, Sides};
use sst_data::pictures::{
    ImageProcessor, PictureLimits, Resample, StoredPictures, StoredSize, limits,
};
use sst_data::setting;

use super::Keys;
use super::error::{Problem, require};
use super::limits::MOST_COUNT;
use super::model::ModelChoice;

/// The largest side of stored pictures.
const MOST_SIDE: f64 = 4096.0;
/// A stored picture has this many pixels for each 7 of the model, as in 256 for 224, so that crops differ.
const STORED_FOR_SEVEN: u32 = 8;

/// `[image]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ImageFile {
    mean: Option<[f64; 3]>,
    std: Option<[f64; 3]>,
    resample: Option<Resample>,
    store_size: Option<u32>,
    max_file_bytes: Option<u64>,
    max_pixels: Option<u64>,
}

/// `[image]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageSection {
    /// The mean of red, green and blue from 0 to 1, which is subtracted. Default: that of the model at `model.path`, or else
    /// that of the type of the model in transformers.
    pub mean: [f64; 3],
    /// The standard deviation that the difference is divided by. Default: as for `mean`.
    pub std: [f64; 3],
    /// The filter for resizing. Default: as for `mean`.
    pub resample: Resample,
    /// The short side of stored pictures in pixels, or that of the file if it is shorter. Default: 8/7 of the size that the
    /// model reads.
    pub store_size: u32,
    /// The most bytes of a file. Default: 64 MiB.
    pub max_file_bytes: u64,
    /// The most pixels of a picture. Default: 89,478,485.
    pub max_pixels: u64,
    /// Height and width that the model reads.
    #[serde(skip)]
    size: [u32; 2],
    /// The class of the image processor in transformers.
    #[serde(skip)]
    kind: ProcessorKind,
    /// What values from 0 to 255 are multiplied by before the mean is subtracted: that of the model at `model.path`, or else 1/255.
    #[serde(skip)]
    rescale_factor: f64,
}

pub(super) const KEYS: Keys = Keys {
    limits: &[
        ("image.store_size", 1.0, MOST_SIDE),
        ("image.max_file_bytes", 1.0, MOST_COUNT),
        ("image.max_pixels", 1.0, MOST_COUNT),
    ],
    settings: &[
        (setting::MAX_FILE_BYTES, "image.max_file_bytes"),
        (setting::MAX_PIXELS, "image.max_pixels"),
        (setting::PICTURE_SIZE, "image.store_size"),
    ],
    ..Keys::NONE
};

impl ImageFile {
    /// Fills in the defaults of the model.
    pub(super) fn fill(self, model: &ModelChoice) -> Result<ImageSection, Problem> {
        let config = model.read_config()?;
        let Some(size) = sst_models::image_size(&config) else {
            let key =
                if matches!(model, ModelChoice::New { .. }) { "model.type" } else { "model.path" };
            let name = config.get("model_type").and_then(Value::as_str).unwrap_or("?");
            let message = format!(
                "is a `{name}` model, which reads no pictures, and the objective learns from pictures"
            );
            return Err(Problem::new(key, message));
        };
        let processor = processor_of(model, &config, size)?;
        let short = size[0].min(size[1]);
        if let Some(stored) = self.store_size.filter(|stored| *stored < short) {
            let message = format!(
                "is {stored}, and the model reads {short} pixels: stored pictures would be enlarged again. Raise it, or leave it out"
            );
            return Err(Problem::new("image.store_size", message));
        }
        let default = PictureLimits::default();
        Ok(ImageSection {
            mean: self.mean.unwrap_or(processor.normalize.mean),
            std: self.std.unwrap_or(processor.normalize.std),
            resample: self.resample.unwrap_or(processor.resample),
            store_size: self.store_size.unwrap_or((short * STORED_FOR_SEVEN).div_ceil(7)),
            max_file_bytes: self.max_file_bytes.unwrap_or(default.max_file_bytes),
            max_pixels: self.max_pixels.unwrap_or(default.max_pixels),
            size,
            kind: processor.kind,
            rescale_factor: processor.normalize.rescale_factor,
        })
    }
}

/// The image processor of the model at `model.path`, or else that of its type.
fn processor_of(
    model: &ModelChoice,
    config: &Value,
    [height, width]: [u32; 2],
) -> Result<ImageProcessor, Problem> {
    if let ModelChoice::Folder { path, .. } = model {
        match ImageProcessor::load(Path::new(path)) {
            Ok((processor, _)) => return Ok(processor),
            Err(ProcessorError::NotFound(_)) => {}
            Err(error) => return Err(Problem::new("model.path", error.to_string())),
        }
    }
    let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    Ok(ImageProcessor::new(sst_models::image_processor_kind(model_type), height.min(width)))
}

impl ImageSection {
    /// The image processor of the trained model.
    pub fn processor(&self) -> ImageProcessor {
        let [height, width] = self.size;
        let mut processor = ImageProcessor::new(self.kind, height.min(width));
        if height != width {
            // No side is the short one of every picture, so the whole picture gets the size of the model.
            processor.resize = Some(ResizeTo::Sides(self.sides()));
            processor.crop = None;
        }
        processor.resample = self.resample;
        processor.normalize.rescale_factor = self.rescale_factor;
        processor.normalize.mean = self.mean;
        processor.normalize.std = self.std;
        processor
    }

    /// The images that the model reads; `None` if its configuration does not say their patches.
    pub(crate) fn spec(&self, model: &ModelChoice) -> Option<InputSpec> {
        let config = model.read_config().ok()?;
        let size = ["/patch_size", "/vision_config/patch_size"].iter();
        let patch = size.filter_map(|place| config.pointer(place)).find_map(Value::as_i64)?;
        Some(InputSpec::Image { size: self.size.map(i64::from), channels: 3, patch })
    }

    /// The size that the model reads.
    pub(crate) fn sides(&self) -> Sides {
        let [height, width] = self.size;
        match height == width {
            true => Sides::Square(height),
            false => Sides::Each { height, width },
        }
    }

    /// How pictures are stored.
    pub(crate) fn stored(&self) -> StoredPictures {
        let size = StoredSize::ShortSide(self.store_size);
        StoredPictures { size, resample: self.resample }
    }

    /// How large a picture may be.
    pub(crate) fn limits(&self) -> PictureLimits {
        let Self { max_file_bytes, max_pixels, .. } = *self;
        PictureLimits { max_file_bytes, max_pixels }
    }

    pub(super) fn check(&self) -> Result<(), Problem> {
        let is_number = |numbers: &[f64; 3]| numbers.iter().all(|number| number.is_finite());
        require(is_number(&self.mean), "image.mean", "must hold three numbers")?;
        let fits = is_number(&self.std) && self.std.iter().all(|number| *number > 0.0);
        require(fits, "image.std", "must hold three numbers above 0")?;
        let most = limits::MAX_PIXELS;
        let message =
            format!("is {}, and sst reads pictures of at most {most} pixels", self.max_pixels);
        require(self.max_pixels <= most, "image.max_pixels", message)
    }
}
