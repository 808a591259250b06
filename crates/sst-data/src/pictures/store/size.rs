//! The size that pictures are stored in.

use serde::{Deserialize, Serialize};

use super::super::resize::{Resample, resize, short_side};
use super::super::{Picture, PictureError};

/// The largest side that pictures can be stored with.
const MAX_SIZE: u32 = 4096;

/// The size that pictures are stored in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StoredSize {
    /// The short side gets this many pixels, and the other side keeps the proportion. A picture whose short side has
    /// fewer is stored as it is, because enlarging adds nothing.
    ShortSide(u32),
    /// Both sides get this many pixels, whatever the proportion was.
    Square(u32),
}

/// How pictures are resized before they are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoredPictures {
    /// The size.
    pub size: StoredSize,
    /// The filter.
    pub resample: Resample,
}

/// A short side of 256, from which 224 are cut as usual, and the filter that CLIP, SigLIP and MAE use.
impl Default for StoredPictures {
    fn default() -> Self {
        Self { size: StoredSize::ShortSide(256), resample: Resample::Bicubic }
    }
}

impl StoredPictures {
    /// The number of pixels of the shorter side.
    pub(super) fn side(&self) -> u32 {
        match self.size {
            StoredSize::ShortSide(size) | StoredSize::Square(size) => size,
        }
    }

    pub(super) fn check(&self) -> Result<(), PictureError> {
        match self.side() {
            1..=MAX_SIZE => Ok(()),
            size => Err(PictureError::BadSize(size)),
        }
    }

    /// The picture as it is stored.
    pub(super) fn fit(&self, picture: Picture) -> Picture {
        let (width, height) = match self.size {
            StoredSize::Square(size) => (size, size),
            StoredSize::ShortSide(size) if picture.width().min(picture.height()) <= size => {
                return picture;
            }
            StoredSize::ShortSide(size) => short_side(picture.width(), picture.height(), size),
        };
        resize(picture, width, height, self.resample)
    }
}
