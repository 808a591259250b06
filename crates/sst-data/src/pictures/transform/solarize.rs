//! `solarize`: inverts bright values.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Picture;
use super::PictureTransform;
use super::Step;
use super::entry::{PictureEntry, parse, require_probability};
use super::lookup::map_values;
use crate::rng::SeqRng;
use crate::transform::TransformError;

pub(super) const ENTRY: PictureEntry = PictureEntry {
    name: "solarize",
    summary: "inverts bright values",
    default_config: || json!(SolarizeConfig::default()),
    is_random: true,
    build: |config| {
        let config: SolarizeConfig = parse(ENTRY.name, config)?;
        require_probability(ENTRY.name, config.p)?;
        Ok(Step::Change(Box::new(Solarize(config))))
    },
};

/// The keys of `solarize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SolarizeConfig {
    /// The least value that is inverted.
    pub threshold: u8,
    /// The probability. The default is that of BYOL for the second view.
    pub p: f64,
}

impl Default for SolarizeConfig {
    fn default() -> Self {
        Self { threshold: 128, p: 0.2 }
    }
}

struct Solarize(SolarizeConfig);

/// Inverts the values from `threshold` on, in place.
pub fn invert_from(picture: &mut Picture, threshold: u8) {
    map_values(picture, |value| if value >= threshold { 255 - value } else { value });
}

impl PictureTransform for Solarize {
    fn apply(&self, mut picture: Picture, rng: &mut SeqRng) -> Result<Picture, TransformError> {
        if rng.chance(self.0.p) {
            invert_from(&mut picture, self.0.threshold);
        }
        Ok(picture)
    }
}
