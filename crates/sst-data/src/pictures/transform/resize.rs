//! `resize`: resizes the whole picture.

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::super::Picture;
use super::super::resize::{Resample, resize, short_side};
use super::Step;
use super::entry::{PictureEntry, parse, require};
use super::{PictureTransform, Sides};
use crate::rng::SeqRng;
use crate::transform::TransformError;

pub(super) const ENTRY: PictureEntry = PictureEntry {
    name: "resize",
    summary: "resizes the whole picture",
    default_config: || json!(ResizeConfig::default()),
    is_random: false,
    build: |config| {
        let config: ResizeConfig = parse(ENTRY.name, config)?;
        let problem = config.size.problem();
        require(ENTRY.name, problem.is_none(), problem.unwrap_or_default())?;
        Ok(Step::Change(Box::new(Resize(config))))
    },
};

/// The size after resizing: `{shortest_edge}` keeps the proportion, `{height, width}` and a number for a square do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ResizeTo {
    /// The short side.
    ShortestEdge {
        /// Its number of pixels.
        shortest_edge: u32,
    },
    /// Both sides.
    Sides(Sides),
}

impl ResizeTo {
    fn problem(self) -> Option<String> {
        match self {
            Self::ShortestEdge { shortest_edge } => Sides::Square(shortest_edge).problem(),
            Self::Sides(sides) => sides.problem(),
        }
    }

    /// The width and height that a picture of this size gets.
    pub fn width_height(self, width: u32, height: u32) -> (u32, u32) {
        match self {
            Self::ShortestEdge { shortest_edge } => short_side(width, height, shortest_edge),
            Self::Sides(sides) => sides.width_height(),
        }
    }
}

/// The keys of `resize`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResizeConfig {
    /// The size.
    pub size: ResizeTo,
    /// The filter.
    pub resample: Resample,
}

impl Default for ResizeConfig {
    fn default() -> Self {
        Self { size: ResizeTo::ShortestEdge { shortest_edge: 224 }, resample: Resample::Bicubic }
    }
}

pub(in super::super) struct Resize(pub(in super::super) ResizeConfig);

impl PictureTransform for Resize {
    fn apply(&self, picture: Picture, _: &mut SeqRng) -> Result<Picture, TransformError> {
        let (width, height) = self.0.size.width_height(picture.width(), picture.height());
        Ok(resize(picture, width, height, self.0.resample))
    }
}
