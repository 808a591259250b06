//! The list of transforms of pictures, by name.

use super::{
    PictureEntry, center_crop, color_jitter, gaussian_blur, grayscale, horizontal_flip, normalize,
    random_resized_crop, resize, solarize,
};

/// The registered transforms, one word each.
const TRANSFORMS: &[PictureEntry] = &[
    random_resized_crop::ENTRY,
    horizontal_flip::ENTRY,
    color_jitter::ENTRY,
    grayscale::ENTRY,
    gaussian_blur::ENTRY,
    solarize::ENTRY,
    resize::ENTRY,
    center_crop::ENTRY,
    normalize::ENTRY,
];

/// All transforms of pictures.
pub fn list() -> &'static [PictureEntry] {
    TRANSFORMS
}
