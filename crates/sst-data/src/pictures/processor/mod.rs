//! Image processors, as transformers has them: how a picture becomes the numbers that a model reads.

mod config;
mod error;
mod kind;

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Picture;
use super::resize::{Resample, center_crop, resize};
use super::transform::{
    CenterCrop, CenterCropConfig, Normalize, NormalizeConfig, PictureTransforms, Resize,
    ResizeConfig, ResizeTo, Sides,
};
use crate::atomic;
use crate::json_problem;
use crate::pixels::Pixels;
use crate::unused::Unused;

pub use error::ProcessorError;
pub use kind::{CLIP_MEAN, CLIP_STD, ProcessorKind};

/// The file of an image processor in the folder of a model.
const FILE: &str = "preprocessor_config.json";
/// The file of a processor with several parts, which newer versions of transformers write.
const COMPOSED: &str = "processor_config.json";
/// The part of [`COMPOSED`] that is the image processor.
const PART: &str = "image_processor";

/// How a picture becomes the numbers that a model reads: resized, cut, scaled and normalised, in this order.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageProcessor {
    /// The class in transformers.
    pub kind: ProcessorKind,
    /// The size after resizing; `None` does not resize.
    pub resize: Option<ResizeTo>,
    /// The filter.
    pub resample: Resample,
    /// The size of the middle that is cut out; `None` does not cut.
    pub crop: Option<Sides>,
    /// How values are scaled and normalised. A factor of 1, means of 0 and deviations of 1 leave them as they are.
    pub normalize: NormalizeConfig,
}

impl ImageProcessor {
    /// The processor of this class for pictures of `side` by `side` pixels, with the defaults of transformers.
    pub fn new(kind: ProcessorKind, side: u32) -> Self {
        let (mean, std) = kind.mean_std();
        let crop = kind.crops().then_some(Sides::Each { height: side, width: side });
        let normalize = NormalizeConfig { rescale_factor: 1.0 / 255.0, mean, std };
        Self { kind, resize: Some(kind.size(side)), resample: kind.resample(), crop, normalize }
    }

    /// Loads the processor of a model from the part `image_processor` of `processor_config.json`, or else from
    /// `preprocessor_config.json`. Keys that are not used are returned.
    ///
    /// # Errors
    /// If there is neither file, or it does not describe a processor that is read.
    pub fn load(folder: &Path) -> Result<(Self, Unused), ProcessorError> {
        // The order of transformers, where a folder has both.
        for (name, part) in [(COMPOSED, Some(PART)), (FILE, None)] {
            let path = folder.join(name);
            let text = match std::fs::read(&path) {
                Ok(text) => text,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(ProcessorError::Io { action: "read", path, error }),
            };
            let invalid = |reason: String| ProcessorError::Invalid { path: path.clone(), reason };
            let value: Value =
                serde_json::from_slice(&text).map_err(|error| invalid(json_problem(&error)))?;
            let value = match part {
                None => Some(&value),
                Some(part) => value.get(part),
            };
            match value {
                Some(Value::Object(object)) => return config::parse(object).map_err(invalid),
                None => continue,
                Some(_) => {
                    return Err(invalid("it holds no object: copy the file again".to_owned()));
                }
            }
        }
        Err(ProcessorError::NotFound(folder.to_owned()))
    }

    /// Writes `preprocessor_config.json` into `folder`, as transformers does.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), ProcessorError> {
        let path = folder.join(FILE);
        let io = |error| ProcessorError::Io { action: "write", path: path.clone(), error };
        let text = serde_json::to_vec_pretty(&self.to_json());
        let mut text = text.map_err(|error| io(error.into()))?;
        text.push(b'\n');
        atomic::write(&path, &text).map_err(io)
    }

    /// The contents of `preprocessor_config.json`.
    fn to_json(&self) -> Value {
        let NormalizeConfig { rescale_factor, mean, std } = &self.normalize;
        let sides = |sides: Sides| {
            let (width, height) = sides.width_height();
            json!({"height": height, "width": width})
        };
        let mut object = Map::new();
        let mut put = |key: &str, value: Value| _ = object.insert(key.to_owned(), value);
        if let Some(size) = self.crop {
            put("crop_size", sides(size));
        }
        put("do_center_crop", json!(self.crop.is_some()));
        put("do_convert_rgb", json!(true));
        let is_normalized = (mean, std) != (&[0.0; 3], &[1.0; 3]);
        put("do_normalize", json!(is_normalized));
        put("do_rescale", json!(*rescale_factor != 1.0));
        put("do_resize", json!(self.resize.is_some()));
        put("image_mean", json!(mean));
        put("image_processor_type", json!(self.kind.class()));
        put("image_std", json!(std));
        put("resample", json!(self.resample.number()));
        put("rescale_factor", json!(rescale_factor));
        match self.resize {
            Some(ResizeTo::ShortestEdge { shortest_edge }) => {
                put("size", json!({"shortest_edge": shortest_edge}));
            }
            Some(ResizeTo::Sides(size)) => put("size", sides(size)),
            None => {}
        }
        Value::Object(object)
    }

    /// What happens to the size of a picture, such as `brings the short side to 256 pixels and cuts out 224 x 224`.
    pub fn geometry(&self) -> String {
        let sides = |sides: Sides| {
            let (width, height) = sides.width_height();
            format!("{height} x {width}")
        };
        let resized = match self.resize {
            None => "keeps the size".to_owned(),
            Some(ResizeTo::Sides(size)) => format!("resizes to {}", sides(size)),
            Some(ResizeTo::ShortestEdge { shortest_edge }) => {
                format!("brings the short side to {shortest_edge} pixels")
            }
        };
        let cut = self.crop.map(|size| format!(" and cuts out {}", sides(size)));
        resized + &cut.unwrap_or_default()
    }

    /// The picture, resized and cut.
    #[must_use]
    pub fn fit(&self, picture: Picture) -> Picture {
        let picture = match self.resize {
            Some(size) => {
                let (width, height) = size.width_height(picture.width(), picture.height());
                resize(picture, width, height, self.resample)
            }
            None => picture,
        };
        match self.crop.map(Sides::width_height) {
            Some((width, height)) => center_crop(&picture, width, height),
            None => picture,
        }
    }

    /// The last step of the processor.
    ///
    /// # Errors
    /// If its numbers are not valid.
    pub fn normalize(&self) -> Result<Normalize, ProcessorError> {
        Ok(Normalize::new(self.normalize.clone())?)
    }

    /// The numbers that a model reads, of shape `[3, height, width]`. For many pictures, [`ImageProcessor::transforms`]
    /// computes the table of the last step only once.
    ///
    /// # Errors
    /// If the numbers of the processor are not valid.
    pub fn process(&self, picture: Picture) -> Result<Pixels, ProcessorError> {
        Ok(self.normalize()?.apply(&self.fit(picture)))
    }

    /// The same steps as transforms, for rows that a model is evaluated on.
    ///
    /// # Errors
    /// If the numbers of the processor are not valid.
    pub fn transforms(&self) -> Result<PictureTransforms, ProcessorError> {
        self.after(PictureTransforms::none())
    }

    /// The same steps after `transforms`. A picture that has the size of the model then is neither resized nor cut.
    ///
    /// # Errors
    /// If the numbers of the processor are not valid.
    pub fn after(
        &self,
        mut transforms: PictureTransforms,
    ) -> Result<PictureTransforms, ProcessorError> {
        if let Some(size) = self.resize {
            let config = ResizeConfig { size, resample: self.resample };
            transforms.add("resize", false, Box::new(Resize(config)));
        }
        if let Some(size) = self.crop {
            transforms.add("center_crop", false, Box::new(CenterCrop(CenterCropConfig { size })));
        }
        Ok(transforms.with_normalize(self.normalize()?))
    }

    /// The width and height of the pictures that the model reads; `None` if they depend on the picture.
    pub fn width_height(&self) -> Option<(u32, u32)> {
        match (self.crop, self.resize) {
            (Some(sides), _) | (None, Some(ResizeTo::Sides(sides))) => Some(sides.width_height()),
            _ => None,
        }
    }
}
