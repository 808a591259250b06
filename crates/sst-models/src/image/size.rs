//! The keys of a config.json that say which images a model reads.

use serde::{Deserialize, Serialize};
use sst_core::InputSpec;

use crate::error::{ModelError, bad};

/// The most pixels in a row or a column, and the most channels.
const MAX_SIDE: i64 = 1 << 16;

/// `image_size`: the side of a square, or height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ImageSize {
    /// Height and width are equal.
    Square(i64),
    /// Height and width.
    Sides([i64; 2]),
}

/// `patch_size`: patches are squares, whose two sides may be written out.
pub type PatchSize = ImageSize;

impl ImageSize {
    /// Height and width.
    pub fn sides(self) -> [i64; 2] {
        match self {
            Self::Square(side) => [side, side],
            Self::Sides(sides) => sides,
        }
    }
}

/// The spec of an image encoder with these keys, which [`check_image`] has checked.
pub(crate) fn image_spec(size: ImageSize, patch: PatchSize, channels: i64) -> InputSpec {
    InputSpec::Image { size: size.sides(), channels, patch: patch.sides()[0] }
}

/// Checks the sizes. `square` is for models whose images are squares in transformers.
pub(crate) fn check_image(
    size: ImageSize,
    patch: PatchSize,
    channels: i64,
    square: bool,
) -> Result<(), ModelError> {
    let [height, width] = size.sides();
    let [rows, columns] = patch.sides();
    let sizes = [
        ("image_size", height),
        ("image_size", width),
        ("patch_size", rows),
        ("patch_size", columns),
        ("num_channels", channels),
    ];
    if let Some((key, value)) = sizes.iter().find(|(_, n)| !(1..=MAX_SIDE).contains(n)) {
        return Err(bad(key, &format!("is {value} and must be from 1 to {MAX_SIDE}")));
    }
    if rows != columns {
        let message = format!("is {rows} x {columns}, and sst has square patches only");
        return Err(bad("patch_size", &message));
    }
    if rows > height.min(width) {
        let message =
            format!("is {height} x {width} pixels, and a patch has {rows} x {rows}: enlarge it");
        return Err(bad("image_size", &message));
    }
    if square && height != width {
        let message = format!("is {height} x {width}, and this model has square images only");
        return Err(bad("image_size", &message));
    }
    Ok(())
}

/// Checks that patches fill the image: a model that reconstructs the patches of an image needs all of it.
pub(crate) fn check_filled(size: ImageSize, patch: PatchSize) -> Result<(), ModelError> {
    let ([height, width], side) = (size.sides(), patch.sides()[0]);
    if height % side != 0 || width % side != 0 {
        let message = format!(
            "is {height} x {width} pixels, which patches of {side} x {side} pixels do not fill: choose a multiple of \
             patch_size"
        );
        return Err(bad("image_size", &message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_or_pairs_and_an_image_has_a_patch() {
        let size: ImageSize = serde_json::from_str("[6, 4]").unwrap();
        assert_eq!(size.sides(), [6, 4]);
        assert_eq!(serde_json::to_string(&size).unwrap(), "[6,4]");
        let check = |size: ImageSize, patch: i64, channels: i64, square: bool| {
            let found = check_image(size, ImageSize::Square(patch), channels, square);
            found.map_err(|error| error.to_string().split(':').next().unwrap().to_owned())
        };
        let refused = |key: &str| Err(key.to_owned());
        assert_eq!(check(size, 2, 3, false), Ok(()));
        assert_eq!(check(size, 2, 3, true), refused("image_size"));
        // Height 6 and width 4 have a patch of 4 and a rest, but none of 5.
        assert_eq!(check(size, 4, 3, false), Ok(()));
        assert_eq!(check(size, 5, 3, false), refused("image_size"));
        assert!(check_filled(size, ImageSize::Square(4)).is_err());
        assert!(check_filled(size, ImageSize::Square(2)).is_ok());
        assert_eq!(check(ImageSize::Square(0), 1, 3, true), refused("image_size"));
        assert_eq!(check(size, 0, 3, false), refused("patch_size"));
        assert_eq!(check(size, 2, 0, false), refused("num_channels"));
        assert!(check_image(size, ImageSize::Sides([2, 1]), 3, false).is_err());
    }
}
