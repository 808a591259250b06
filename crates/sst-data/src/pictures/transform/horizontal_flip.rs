//! `horizontal_flip`: mirrors left and right.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Picture;
use super::PictureTransform;
use super::Step;
use super::entry::{PictureEntry, parse, require_probability};
use crate::rng::SeqRng;
use crate::transform::TransformError;

pub(super) const ENTRY: PictureEntry = PictureEntry {
    name: "horizontal_flip",
    summary: "mirrors left and right",
    default_config: || json!(HorizontalFlipConfig::default()),
    is_random: true,
    build: |config| {
        let config: HorizontalFlipConfig = parse(ENTRY.name, config)?;
        require_probability(ENTRY.name, config.p)?;
        Ok(Step::Change(Box::new(HorizontalFlip(config))))
    },
};

/// The keys of `horizontal_flip`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HorizontalFlipConfig {
    /// The probability. Pictures with writing, such as digits, should not be mirrored.
    pub p: f64,
}

impl Default for HorizontalFlipConfig {
    fn default() -> Self {
        Self { p: 0.5 }
    }
}

struct HorizontalFlip(HorizontalFlipConfig);

/// Mirrors left and right, in place.
pub fn flip(picture: &mut Picture) {
    let stride = 3 * picture.width() as usize;
    for row in picture.pixels_mut().chunks_exact_mut(stride) {
        let (pixels, _) = row.as_chunks_mut::<3>();
        pixels.reverse();
    }
}

impl PictureTransform for HorizontalFlip {
    fn apply(&self, mut picture: Picture, rng: &mut SeqRng) -> Result<Picture, TransformError> {
        if rng.chance(self.0.p) {
            flip(&mut picture);
        }
        Ok(picture)
    }
}
