//! `center_crop`: the middle of the picture.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Picture;
use super::super::resize::center_crop;
use super::Step;
use super::entry::{PictureEntry, parse, require};
use super::{PictureTransform, Sides};
use crate::rng::SeqRng;
use crate::transform::TransformError;

pub(super) const ENTRY: PictureEntry = PictureEntry {
    name: "center_crop",
    summary: "cuts out the middle, with black where the picture is smaller",
    default_config: || json!(CenterCropConfig::default()),
    is_random: false,
    build: |config| {
        let config: CenterCropConfig = parse(ENTRY.name, config)?;
        let problem = config.size.problem();
        require(ENTRY.name, problem.is_none(), problem.unwrap_or_default())?;
        Ok(Step::Change(Box::new(CenterCrop(config))))
    },
};

/// The keys of `center_crop`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CenterCropConfig {
    /// The size of the result.
    pub size: Sides,
}

impl Default for CenterCropConfig {
    fn default() -> Self {
        Self { size: Sides::Square(224) }
    }
}

pub(in super::super) struct CenterCrop(pub(in super::super) CenterCropConfig);

impl PictureTransform for CenterCrop {
    fn apply(&self, picture: Picture, _: &mut SeqRng) -> Result<Picture, TransformError> {
        let (width, height) = self.0.size.width_height();
        Ok(center_crop(&picture, width, height))
    }
}
