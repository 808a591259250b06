//! Changes that look at one value alone. There are only 256 values, so that each result is computed once.

use super::super::Picture;

/// Replaces every value of the picture by `change` of it.
pub(super) fn map_values(picture: &mut Picture, change: impl Fn(u8) -> u8) {
    let table: [u8; 256] = std::array::from_fn(|value| change(value as u8));
    picture.pixels_mut().iter_mut().for_each(|value| *value = table[usize::from(*value)]);
}
