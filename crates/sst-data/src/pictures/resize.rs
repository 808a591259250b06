//! Resizes pictures, with antialiasing, as Pillow does.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

use super::Picture;

/// The filter that pixels are resized with. When a picture becomes smaller, the support of the filter grows with the
/// factor, so that every pixel counts (antialiasing). Recipes have the names, and `preprocessor_config.json` the numbers
/// of Pillow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resample {
    /// The nearest pixel.
    Nearest,
    /// Lanczos, of 3 lobes.
    Lanczos,
    /// Triangle.
    Bilinear,
    /// Cubic convolution with a = -0.5 (Catmull-Rom).
    Bicubic,
    /// The mean of a box.
    Box,
    /// A cosine bell that is cut off.
    Hamming,
}

impl Resample {
    /// All filters, in the order of their numbers in Pillow.
    const ALL: [Self; 6] =
        [Self::Nearest, Self::Lanczos, Self::Bilinear, Self::Bicubic, Self::Box, Self::Hamming];

    /// The filter of this number in Pillow.
    pub fn of_number(number: u64) -> Option<Self> {
        Self::ALL.get(usize::try_from(number).ok()?).copied()
    }

    /// The number of the filter in Pillow.
    pub fn number(self) -> u64 {
        Self::ALL.iter().position(|filter| *filter == self).unwrap_or(0) as u64
    }

    fn algorithm(self) -> ResizeAlg {
        ResizeAlg::Convolution(match self {
            Self::Nearest => return ResizeAlg::Nearest,
            Self::Lanczos => FilterType::Lanczos3,
            Self::Bilinear => FilterType::Bilinear,
            Self::Bicubic => FilterType::CatmullRom,
            Self::Box => FilterType::Box,
            Self::Hamming => FilterType::Hamming,
        })
    }
}

/// The picture with `width` columns and `height` rows. A number of 0 counts as 1.
///
/// Rows are filtered first, then columns, and the result of each is rounded to 8 bits and cut off at 0 and 255. Pillow
/// and torchvision take the same order.
#[must_use]
pub fn resize(picture: Picture, width: u32, height: u32, resample: Resample) -> Picture {
    let (width, height) = (width.max(1), height.max(1));
    let before = picture.height();
    let across = pass(picture, width, before, resample);
    pass(across, width, height, resample)
}

/// Resizes one side. Given both, the library would filter columns first.
fn pass(picture: Picture, width: u32, height: u32, resample: Resample) -> Picture {
    if (picture.width(), picture.height()) == (width, height) {
        return picture;
    }
    let resized = (|| {
        let (from, kind) = (picture.pixels(), PixelType::U8x3);
        let source = ImageRef::new(picture.width(), picture.height(), from, kind).ok()?;
        let mut target = Image::new(width, height, kind);
        let options = ResizeOptions::new().resize_alg(resample.algorithm());
        Resizer::new().resize(&source, &mut target, &options).ok()?;
        Picture::new(width, height, target.into_vec())
    })();
    // Both images have pixels of the same kind, and no crop is asked for, so there is nothing to refuse.
    debug_assert!(resized.is_some());
    resized.unwrap_or(picture)
}

/// The width and height of a picture whose short side becomes `short`, with the other side in proportion, rounded down
/// as in transformers and torchvision.
pub fn short_side(width: u32, height: u32, short: u32) -> (u32, u32) {
    let (least, most) = (width.min(height), width.max(height));
    let long = (f64::from(short) * f64::from(most) / f64::from(least.max(1))) as u32;
    if width <= height { (short, long.max(1)) } else { (long.max(1), short) }
}

/// The `width` by `height` pixels in the middle. Where the picture is smaller, black is added on both sides, as in
/// transformers.
#[must_use]
pub fn center_crop(picture: &Picture, width: u32, height: u32) -> Picture {
    let (width, height) = (width.max(1), height.max(1));
    if width <= picture.width() && height <= picture.height() {
        let (left, top) = ((picture.width() - width) / 2, (picture.height() - height) / 2);
        return picture.crop(left, top, width, height);
    }
    // The first column and row of the picture in the result, or of the result in the picture.
    let place = |have: u32, want: u32| {
        let (before, skipped) = (want.saturating_sub(have) / 2, have.saturating_sub(want) / 2);
        (before as usize, skipped, have.min(want))
    };
    let (left, skipped_columns, columns) = place(picture.width(), width);
    let (top, skipped_rows, rows) = place(picture.height(), height);
    let mut pixels = vec![0; 3 * width as usize * height as usize];
    for y in 0..rows {
        let from =
            &picture.row(skipped_rows + y)[3 * skipped_columns as usize..][..3 * columns as usize];
        let start = 3 * ((top + y as usize) * width as usize + left);
        pixels[start..start + from.len()].copy_from_slice(from);
    }
    Picture::of(width, height, pixels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_long_side_is_rounded_down() {
        assert_eq!(short_side(100, 133, 64), (64, 85));
        assert_eq!(short_side(133, 100, 64), (85, 64));
        assert_eq!(short_side(5, 5, 7), (7, 7));
        assert_eq!(short_side(1, 1000, 1), (1, 1000));
    }

    #[test]
    fn filters_have_the_numbers_of_pillow() {
        let numbers: Vec<u64> = Resample::ALL.iter().map(|filter| filter.number()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5]);
        assert_eq!(Resample::of_number(3), Some(Resample::Bicubic));
        assert_eq!(Resample::of_number(6), None);
    }

    #[test]
    fn a_small_picture_gets_black_on_both_sides() {
        let picture = Picture::of(1, 2, vec![9; 6]);
        let cropped = center_crop(&picture, 4, 1);
        assert_eq!(cropped.pixels(), [0, 0, 0, 9, 9, 9, 0, 0, 0, 0, 0, 0]);
        assert_eq!(center_crop(&picture, 1, 1).pixels(), [9; 3]);
    }
}
