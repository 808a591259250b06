//! `grayscale`: takes the colour out.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Picture;
use super::PictureTransform;
use super::Step;
use super::entry::{PictureEntry, parse, require_probability};
use crate::rng::SeqRng;
use crate::transform::TransformError;

pub(super) const ENTRY: PictureEntry = PictureEntry {
    name: "grayscale",
    summary: "takes the colour out",
    default_config: || json!(GrayscaleConfig::default()),
    is_random: true,
    build: |config| {
        let config: GrayscaleConfig = parse(ENTRY.name, config)?;
        require_probability(ENTRY.name, config.p)?;
        Ok(Step::Change(Box::new(Grayscale(config))))
    },
};

/// The keys of `grayscale`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GrayscaleConfig {
    /// The probability. The default is that of SimCLR.
    pub p: f64,
}

impl Default for GrayscaleConfig {
    fn default() -> Self {
        Self { p: 0.2 }
    }
}

struct Grayscale(GrayscaleConfig);

/// The luminance of a pixel, rounded down, with the weights of torchvision (ITU-R BT.601).
pub(super) fn luminance([red, green, blue]: [u8; 3]) -> u8 {
    (0.2989_f32 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)) as u8
}

/// Gives all three channels the luminance, in place.
pub fn to_gray(picture: &mut Picture) {
    let (pixels, _) = picture.pixels_mut().as_chunks_mut::<3>();
    pixels.iter_mut().for_each(|pixel| *pixel = [luminance(*pixel); 3]);
}

impl PictureTransform for Grayscale {
    fn apply(&self, mut picture: Picture, rng: &mut SeqRng) -> Result<Picture, TransformError> {
        if rng.chance(self.0.p) {
            to_gray(&mut picture);
        }
        Ok(picture)
    }
}
