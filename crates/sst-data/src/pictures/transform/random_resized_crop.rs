//! `random_resized_crop`: a random rectangle of the picture, resized to the size of the model.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Picture;
use super::super::resize::{Resample, resize};
use super::Step;
use super::entry::{PictureEntry, parse, require};
use super::{PictureTransform, Sides};
use crate::rng::SeqRng;
use crate::transform::TransformError;

pub(super) const ENTRY: PictureEntry = PictureEntry {
    name: "random_resized_crop",
    summary: "cuts out a random rectangle and resizes it",
    default_config: || json!(RandomResizedCropConfig::default()),
    is_random: true,
    build: |config| Ok(Step::Change(Box::new(RandomResizedCrop::new(parse(ENTRY.name, config)?)?))),
};

/// How many rectangles are drawn before one in the middle is taken, as in torchvision.
const ATTEMPTS: usize = 10;

/// The keys of `random_resized_crop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RandomResizedCropConfig {
    /// The size of the result.
    pub size: Sides,
    /// The least and the greatest share of the area. MAE uses 0.2 to 1, and CLIP 0.9 to 1.
    pub scale: [f64; 2],
    /// The least and the greatest width divided by height.
    pub ratio: [f64; 2],
    /// The filter.
    pub resample: Resample,
}

/// The defaults of torchvision, but for the filter, which is that of MAE.
impl Default for RandomResizedCropConfig {
    fn default() -> Self {
        Self {
            size: Sides::Square(224),
            scale: [0.08, 1.0],
            ratio: [3.0 / 4.0, 4.0 / 3.0],
            resample: Resample::Bicubic,
        }
    }
}

/// Draws the share of the area uniformly, and the ratio uniformly on a logarithmic scale (Szegedy et al. 2015, "Going
/// Deeper with Convolutions").
pub struct RandomResizedCrop(RandomResizedCropConfig);

/// A rectangle of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rectangle {
    /// The first column.
    pub left: u32,
    /// The first row.
    pub top: u32,
    /// The number of columns.
    pub width: u32,
    /// The number of rows.
    pub height: u32,
}

impl RandomResizedCrop {
    /// The transform with this configuration.
    ///
    /// # Errors
    /// If a number is out of range.
    pub fn new(config: RandomResizedCropConfig) -> Result<Self, TransformError> {
        let check = |is_valid, reason| require(ENTRY.name, is_valid, reason);
        let ([least, most], [narrow, wide]) = (config.scale, config.ratio);
        let problem = config.size.problem();
        check(problem.is_none(), problem.unwrap_or_default())?;
        check(
            0.0 < least && least <= most && most <= 1.0,
            format!("scale is [{least}, {most}] and must grow from above 0 to at most 1"),
        )?;
        check(
            0.0 < narrow && narrow <= wide && wide.is_finite(),
            format!("ratio is [{narrow}, {wide}] and must grow from above 0"),
        )?;
        Ok(Self(config))
    }

    /// Draws a rectangle of a picture of this size.
    pub fn draw(&self, width: u32, height: u32, rng: &mut SeqRng) -> Rectangle {
        let ([least, most], [narrow, wide]) = (self.0.scale, self.0.ratio);
        let area = f64::from(width) * f64::from(height);
        let between = |from: f64, to: f64, draw: f64| from + (to - from) * draw;
        for _ in 0..ATTEMPTS {
            let area = area * between(least, most, rng.uniform());
            let ratio = between(narrow.ln(), wide.ln(), rng.uniform()).exp();
            let (w, h) =
                ((area * ratio).sqrt().round() as u32, (area / ratio).sqrt().round() as u32);
            if (1..=width).contains(&w) && (1..=height).contains(&h) {
                let top = rng.below(u64::from(height - h) + 1) as u32;
                let left = rng.below(u64::from(width - w) + 1) as u32;
                return Rectangle { left, top, width: w, height: h };
            }
        }
        // The largest rectangle of an allowed ratio, in the middle.
        let ratio = f64::from(width) / f64::from(height);
        let (w, h) = if ratio < narrow {
            (width, (f64::from(width) / narrow).round() as u32)
        } else if ratio > wide {
            ((f64::from(height) * wide).round() as u32, height)
        } else {
            (width, height)
        };
        let (w, h) = (w.clamp(1, width), h.clamp(1, height));
        Rectangle { left: (width - w) / 2, top: (height - h) / 2, width: w, height: h }
    }
}

/// Cuts out a rectangle and resizes it. Pixels outside of the rectangle do not count, as in torchvision.
#[must_use]
pub fn resized_crop(
    picture: &Picture,
    rectangle: Rectangle,
    size: Sides,
    resample: Resample,
) -> Picture {
    let Rectangle { left, top, width, height } = rectangle;
    let (to_width, to_height) = size.width_height();
    resize(picture.crop(left, top, width, height), to_width, to_height, resample)
}

impl PictureTransform for RandomResizedCrop {
    fn apply(&self, picture: Picture, rng: &mut SeqRng) -> Result<Picture, TransformError> {
        let rectangle = self.draw(picture.width(), picture.height(), rng);
        Ok(resized_crop(&picture, rectangle, self.0.size, self.0.resample))
    }
}
