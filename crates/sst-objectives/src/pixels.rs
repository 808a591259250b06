//! The pixels of the pictures of a batch.
//!
//! Shapes: b pictures, h height, w width.

use sst_data::{ArrayData, CollateError, Example, PixelValues, recycle};

use crate::layout::field;

/// The array of pixels in a batch, and the field of a row that they are from.
pub(crate) const PIXEL_VALUES: &str = "pixel_values";

/// The pixels of the fields `names` of examples: the first field of all examples, then the second field, and so on. Returns
/// the shape `[b, 3, h, w]` with the array.
///
/// # Errors
/// If an example lacks a field, has another size than the first one, or its pixels are not normalised.
pub(crate) fn pixel_array(
    examples: &[Example],
    names: &[&str],
) -> Result<([usize; 4], ArrayData), CollateError> {
    let (mut values, mut sides) = (Vec::new(), None);
    for name in names {
        for example in examples {
            let pixels = field(example, name, Example::pixels)?;
            let unfit =
                |reason: String| CollateError::BadExample { key: example.key.clone(), reason };
            let (height, width) = *sides.get_or_insert((pixels.height, pixels.width));
            if (pixels.height, pixels.width) != (height, width) {
                return Err(unfit(format!(
                    "it has {} x {} pixels, and another picture of the batch has {height} x {width}: add a transform \
                     that makes all of them of one size, such as random_resized_crop",
                    pixels.height, pixels.width
                )));
            }
            match &pixels.values {
                PixelValues::F32(numbers) => {
                    if values.is_empty() {
                        values = recycle::array(names.len() * examples.len() * numbers.len());
                    }
                    values.extend_from_slice(numbers);
                }
                PixelValues::U8(_) => {
                    let reason = "its pixels are not normalised: add the transform normalize";
                    return Err(unfit(reason.to_owned()));
                }
            }
        }
    }
    let (height, width) = sides.unwrap_or((0, 0));
    let shape = [names.len() * examples.len(), 3, height as usize, width as usize];
    Ok((shape, ArrayData::F32(values)))
}
