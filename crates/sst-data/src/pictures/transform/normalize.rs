//! `normalize`: turns values from 0 to 255 into the numbers that a model reads.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Picture;
use super::Step;
use super::entry::{PictureEntry, parse, require};
use crate::pixels::{PixelValues, Pixels};
use crate::recycle;
use crate::transform::TransformError;

pub(super) const ENTRY: PictureEntry = PictureEntry {
    name: "normalize",
    summary: "scales the values and subtracts the mean of each channel; the last transform",
    default_config: || json!(NormalizeConfig::default()),
    is_random: false,
    build: |config| Ok(Step::Normalize(Normalize::new(parse(ENTRY.name, config)?)?)),
};

/// The mean of ImageNet's channels, from 0 to 1.
pub const IMAGENET_MEAN: [f64; 3] = [0.485, 0.456, 0.406];
/// The standard deviation of ImageNet's channels.
pub const IMAGENET_STD: [f64; 3] = [0.229, 0.224, 0.225];

/// The keys of `normalize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NormalizeConfig {
    /// What values are multiplied by first.
    pub rescale_factor: f64,
    /// The mean of red, green and blue, which is subtracted then.
    pub mean: [f64; 3],
    /// The standard deviation of red, green and blue, which the difference is divided by.
    pub std: [f64; 3],
}

impl Default for NormalizeConfig {
    fn default() -> Self {
        Self { rescale_factor: 1.0 / 255.0, mean: IMAGENET_MEAN, std: IMAGENET_STD }
    }
}

/// Turns a picture into f32 of shape `[3, height, width]`. There are only 256 values of each channel, which are computed
/// once, in f64.
#[derive(Clone, PartialEq)]
pub struct Normalize {
    config: NormalizeConfig,
    table: Vec<[f32; 256]>,
}

impl Normalize {
    /// The step with this configuration.
    ///
    /// # Errors
    /// If a number is not finite, or a standard deviation is not above 0.
    pub fn new(config: NormalizeConfig) -> Result<Self, TransformError> {
        let NormalizeConfig { rescale_factor, mean, std } = &config;
        let numbers = mean.iter().chain(std).chain([rescale_factor]);
        let reason = "rescale_factor, mean and std must be finite, and std above 0";
        let is_finite = numbers.into_iter().all(|number| number.is_finite());
        require(ENTRY.name, is_finite && std.iter().all(|std| *std > 0.0), reason)?;
        let row = |channel: usize| {
            std::array::from_fn(|value| {
                ((value as f64 * rescale_factor - mean[channel]) / std[channel]) as f32
            })
        };
        let table = (0..3).map(row).collect();
        Ok(Self { config, table })
    }

    /// Its configuration.
    pub fn config(&self) -> &NormalizeConfig {
        &self.config
    }

    /// The values of shape `[3, height, width]`.
    pub fn apply(&self, picture: &Picture) -> Pixels {
        let (pixels, _) = picture.pixels().as_chunks::<3>();
        let mut values = recycle::array(3 * pixels.len());
        for (channel, table) in self.table.iter().enumerate() {
            values.extend(pixels.iter().map(|pixel| table[usize::from(pixel[channel])]));
        }
        Pixels {
            height: picture.height(),
            width: picture.width(),
            values: PixelValues::F32(values),
        }
    }

    /// The picture that has these values, the nearest one where there is none: what [`Normalize::apply`] does, undone.
    /// `None` if the number of values is not `3 * width * height`.
    pub fn undo(&self, width: u32, height: u32, values: &[f32]) -> Option<Picture> {
        let NormalizeConfig { rescale_factor, mean, std } = &self.config;
        let size = width as usize * height as usize;
        if size == 0 || values.len() != 3 * size {
            return None;
        }
        let mut pixels = Vec::with_capacity(3 * size);
        for at in 0..size {
            for channel in 0..3 {
                let value = f64::from(values[channel * size + at]) * std[channel] + mean[channel];
                pixels.push((value / rescale_factor).round().clamp(0.0, 255.0) as u8);
            }
        }
        Picture::new(width, height, pixels)
    }
}

impl fmt::Debug for Normalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.config.fmt(f)
    }
}
