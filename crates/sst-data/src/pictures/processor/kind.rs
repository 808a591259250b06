//! The image processors of transformers that are read, with their defaults.

use serde::{Deserialize, Serialize};

use super::super::resize::Resample;
use super::super::transform::{ResizeTo, Sides};

/// The mean of the channels of the pictures that CLIP was trained on, from 0 to 1.
pub const CLIP_MEAN: [f64; 3] = [0.48145466, 0.4578275, 0.40821073];
/// Their standard deviation.
pub const CLIP_STD: [f64; 3] = [0.26862954, 0.26130258, 0.27577711];
/// The mean and the standard deviation that map 0 to 255 to -1 to 1.
const HALF: [f64; 3] = [0.5; 3];

/// A class of image processors of transformers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessorKind {
    /// Of ViT and ViTMAE: a square, bilinear.
    #[serde(rename = "ViTImageProcessor")]
    Vit,
    /// Of CLIP: the short side, then the middle, bicubic.
    #[serde(rename = "CLIPImageProcessor")]
    Clip,
    /// Of SigLIP: a square, bicubic.
    #[serde(rename = "SiglipImageProcessor")]
    Siglip,
    /// Of BiT and DINOv2: like CLIP.
    #[serde(rename = "BitImageProcessor")]
    Bit,
}

impl ProcessorKind {
    /// The kind of this class. The names of older versions (`ViTFeatureExtractor`, `ViTImageProcessorFast`) count, too.
    pub(super) fn of_class(class: &str) -> Option<Self> {
        let stem =
            ["FeatureExtractor", "ImageProcessorFast", "ImageProcessorPil", "ImageProcessor"]
                .iter()
                .find_map(|end| class.strip_suffix(end))?;
        match stem {
            "ViT" => Some(Self::Vit),
            "CLIP" => Some(Self::Clip),
            "Siglip" => Some(Self::Siglip),
            "Bit" => Some(Self::Bit),
            _ => None,
        }
    }

    /// The name of the class.
    pub fn class(self) -> &'static str {
        match self {
            Self::Vit => "ViTImageProcessor",
            Self::Clip => "CLIPImageProcessor",
            Self::Siglip => "SiglipImageProcessor",
            Self::Bit => "BitImageProcessor",
        }
    }

    /// Whether a size of one number is that of the short side; otherwise it is that of a square.
    pub(super) fn keeps_proportion(self) -> bool {
        matches!(self, Self::Clip | Self::Bit)
    }

    /// Whether the middle is cut out by default.
    pub(super) fn crops(self) -> bool {
        self.keeps_proportion()
    }

    pub(super) fn size(self, side: u32) -> ResizeTo {
        match self.keeps_proportion() {
            true => ResizeTo::ShortestEdge { shortest_edge: side },
            false => ResizeTo::Sides(Sides::Each { height: side, width: side }),
        }
    }

    pub(super) fn resample(self) -> Resample {
        match self {
            Self::Vit => Resample::Bilinear,
            Self::Clip | Self::Siglip | Self::Bit => Resample::Bicubic,
        }
    }

    pub(super) fn mean_std(self) -> ([f64; 3], [f64; 3]) {
        match self {
            Self::Vit | Self::Siglip => (HALF, HALF),
            Self::Clip | Self::Bit => (CLIP_MEAN, CLIP_STD),
        }
    }
}
