//! Converts what a decoder returns to 8-bit red, green and blue.

use image::DynamicImage;

/// The pixels as RGB, and whether transparent pixels were composited.
///
/// - Grey is repeated three times.
/// - Of 16-bit values the high byte is kept, as Pillow does.
/// - Reals are clamped to 0 to 1 and scaled.
/// - A picture with transparency is composited on white, after it was reduced to 8 bits.
pub(super) fn to_rgb(decoded: DynamicImage) -> (Vec<u8>, bool) {
    let high = |value: &u16| (value >> 8) as u8;
    match decoded {
        DynamicImage::ImageRgb8(image) => (image.into_raw(), false),
        DynamicImage::ImageLuma8(image) => (grey(image.as_raw()), false),
        DynamicImage::ImageLuma16(image) => {
            let values: Vec<u8> = image.as_raw().iter().map(high).collect();
            (grey(&values), false)
        }
        DynamicImage::ImageRgb16(image) => (image.as_raw().iter().map(high).collect(), false),
        DynamicImage::ImageLumaA8(image) => on_white::<2>(image.as_raw()),
        DynamicImage::ImageRgba8(image) => on_white::<4>(image.as_raw()),
        DynamicImage::ImageLumaA16(image) => {
            let values: Vec<u8> = image.as_raw().iter().map(high).collect();
            on_white::<2>(&values)
        }
        DynamicImage::ImageRgba16(image) => {
            let values: Vec<u8> = image.as_raw().iter().map(high).collect();
            on_white::<4>(&values)
        }
        DynamicImage::ImageRgb32F(image) => (image.as_raw().iter().map(real).collect(), false),
        DynamicImage::ImageRgba32F(image) => {
            let values: Vec<u8> = image.as_raw().iter().map(real).collect();
            on_white::<4>(&values)
        }
        other => on_white::<4>(other.to_rgba8().as_raw()),
    }
}

fn real(value: &f32) -> u8 {
    // A cast of NaN gives 0.
    (value.clamp(0.0, 1.0) * 255.0).round() as u8
}

fn grey(values: &[u8]) -> Vec<u8> {
    values.iter().flat_map(|value| [*value; 3]).collect()
}

/// Composites pixels of `N` values, the last of which is the opacity, on white. The second value says whether any of
/// them is not opaque.
fn on_white<const N: usize>(values: &[u8]) -> (Vec<u8>, bool) {
    let (pixels, _) = values.as_chunks::<N>();
    let mut rgb = Vec::with_capacity(3 * pixels.len());
    let mut is_transparent = false;
    for pixel in pixels {
        let alpha = u32::from(pixel[N - 1]);
        is_transparent |= alpha < 255;
        for channel in 0..3 {
            let value = u32::from(if N == 2 { pixel[0] } else { pixel[channel] });
            rgb.push(((value * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
        }
    }
    (rgb, is_transparent)
}
