//! Transforms of pictures. They change a picture each time that the loader draws it.
//!
//! Each transform is one file here and one word in `list.rs`. Its random numbers depend on (seed, view, position in the
//! list of transforms, name, epoch, index). So a picture is transformed in the same way with any number of workers and
//! ranks and after a restart, and differently in each epoch. With the same parameters the results are those of
//! torchvision on tensors of bytes.

mod center_crop;
mod chain;
mod color_jitter;
mod entry;
mod gaussian_blur;
mod grayscale;
mod horizontal_flip;
mod hue;
mod list;
mod lookup;
mod normalize;
mod random_resized_crop;
mod resize;
mod side;
mod solarize;

use super::Picture;
use crate::rng::SeqRng;
use crate::transform::TransformError;

pub use center_crop::CenterCropConfig;
pub use chain::PictureTransforms;
pub use color_jitter::{
    ColorJitterConfig, adjust_brightness, adjust_contrast, adjust_hue, adjust_saturation,
};
pub use entry::PictureEntry;
pub use gaussian_blur::{GaussianBlurConfig, blur};
pub use grayscale::{GrayscaleConfig, to_gray};
pub use horizontal_flip::{HorizontalFlipConfig, flip};
pub use list::list;
pub use normalize::{IMAGENET_MEAN, IMAGENET_STD, Normalize, NormalizeConfig};
pub use random_resized_crop::{
    RandomResizedCrop, RandomResizedCropConfig, Rectangle, resized_crop,
};
pub use resize::{ResizeConfig, ResizeTo};
pub use side::Sides;
pub use solarize::{SolarizeConfig, invert_from};

pub(super) use center_crop::CenterCrop;
pub(super) use resize::Resize;

/// A change of a picture, applied each time that the loader draws it.
pub trait PictureTransform: Send + Sync {
    /// Returns the transformed picture. All random numbers must come from `rng`, which is seeded for the epoch and the
    /// index of the picture.
    ///
    /// # Errors
    /// If the picture cannot be transformed.
    fn apply(&self, picture: Picture, rng: &mut SeqRng) -> Result<Picture, TransformError>;
}

/// A step of a chain.
pub enum Step {
    /// Changes the pixels.
    Change(Box<dyn PictureTransform>),
    /// Turns the pixels into the numbers that a model reads. It is the last step.
    Normalize(Normalize),
}
