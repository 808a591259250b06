//! `color_jitter`: changes brightness, contrast, saturation and hue, in random order.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Picture;
use super::PictureTransform;
use super::Step;
use super::entry::{PictureEntry, parse, require, require_probability};
use super::grayscale::luminance;
use super::hue::shift_hue;
use super::lookup::map_values;
use crate::rng::SeqRng;
use crate::transform::TransformError;

pub(super) const ENTRY: PictureEntry = PictureEntry {
    name: "color_jitter",
    summary: "changes brightness, contrast, saturation and hue",
    default_config: || json!(ColorJitterConfig::default()),
    is_random: true,
    build: |config| {
        let config: ColorJitterConfig = parse(ENTRY.name, config)?;
        let ColorJitterConfig { brightness, contrast, saturation, hue, p } = config;
        require_probability(ENTRY.name, p)?;
        for (name, value, most) in [
            ("brightness", brightness, 1.0),
            ("contrast", contrast, 1.0),
            ("saturation", saturation, 1.0),
            ("hue", hue, 0.5),
        ] {
            let reason = format!("{name} is {value} and must be from 0 to {most}");
            require(ENTRY.name, (0.0..=most).contains(&value), reason)?;
        }
        Ok(Step::Change(Box::new(ColorJitter(config))))
    },
};

/// The keys of `color_jitter`. Each strength `s` but that of hue draws a factor from `1 - s` to `1 + s`; 0 leaves the
/// property as it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColorJitterConfig {
    /// The strength for brightness.
    pub brightness: f64,
    /// The strength for contrast.
    pub contrast: f64,
    /// The strength for saturation.
    pub saturation: f64,
    /// The most that the hue is shifted in each direction, as a share of the circle of colours.
    pub hue: f64,
    /// The probability that anything is changed.
    pub p: f64,
}

/// The defaults of SimCLR at half strength, as BYOL and DINO use them.
impl Default for ColorJitterConfig {
    fn default() -> Self {
        Self { brightness: 0.4, contrast: 0.4, saturation: 0.2, hue: 0.1, p: 0.8 }
    }
}

struct ColorJitter(ColorJitterConfig);

/// `factor * value + (1 - factor) * other`, cut off at 0 and 255 and rounded down, as torchvision blends.
fn blend(value: u8, other: f32, factor: f64) -> u8 {
    (factor as f32 * f32::from(value) + (1.0 - factor) as f32 * other).clamp(0.0, 255.0) as u8
}

/// Multiplies the values by `factor`.
pub fn adjust_brightness(picture: &mut Picture, factor: f64) {
    map_values(picture, |value| blend(value, 0.0, factor));
}

/// Multiplies the differences to the mean luminance of the picture by `factor`.
pub fn adjust_contrast(picture: &mut Picture, factor: f64) {
    let (pixels, _) = picture.pixels().as_chunks::<3>();
    let sum: u64 = pixels.iter().map(|pixel| u64::from(luminance(*pixel))).sum();
    let mean = (sum as f64 / pixels.len() as f64) as f32;
    map_values(picture, |value| blend(value, mean, factor));
}

/// Multiplies the differences to the luminance of each pixel by `factor`.
pub fn adjust_saturation(picture: &mut Picture, factor: f64) {
    let (pixels, _) = picture.pixels_mut().as_chunks_mut::<3>();
    for pixel in pixels {
        let gray = f32::from(luminance(*pixel));
        *pixel = pixel.map(|value| blend(value, gray, factor));
    }
}

/// Shifts the hue by a share of the circle of colours, from -0.5 to 0.5.
pub fn adjust_hue(picture: &mut Picture, shift: f64) {
    let (pixels, _) = picture.pixels_mut().as_chunks_mut::<3>();
    pixels.iter_mut().for_each(|pixel| *pixel = shift_hue(*pixel, shift as f32));
}

impl PictureTransform for ColorJitter {
    fn apply(&self, mut picture: Picture, rng: &mut SeqRng) -> Result<Picture, TransformError> {
        let ColorJitterConfig { brightness, contrast, saturation, hue, p } = self.0;
        if !rng.chance(p) {
            return Ok(picture);
        }
        let mut order = [0, 1, 2, 3];
        rng.shuffle(&mut order);
        for property in order {
            let draw = 2.0 * rng.uniform() - 1.0;
            match property {
                0 if brightness > 0.0 => adjust_brightness(&mut picture, 1.0 + brightness * draw),
                1 if contrast > 0.0 => adjust_contrast(&mut picture, 1.0 + contrast * draw),
                2 if saturation > 0.0 => adjust_saturation(&mut picture, 1.0 + saturation * draw),
                3 if hue > 0.0 => adjust_hue(&mut picture, hue * draw),
                _ => {}
            }
        }
        Ok(picture)
    }
}
