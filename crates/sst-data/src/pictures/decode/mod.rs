//! Decodes the file of a picture.

mod format;
mod frames;
mod jpeg;
mod rgb;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader, Limits, RgbImage};

use super::limits::DECODER_BYTES;
use super::{Picture, PictureLimits, PictureProblem};
use crate::panic::panic_message;

pub use format::PictureFormat;

/// A decoded picture, and what was done to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The picture.
    pub picture: Picture,
    /// The format of its file.
    pub format: PictureFormat,
    /// Whether the file has further frames or pages, which are not used.
    pub has_more_frames: bool,
    /// Whether it has transparent pixels, which were composited on white.
    pub is_transparent: bool,
}

/// Decodes a file to 8-bit RGB, whatever it holds:
///
/// - The contents decide the format, and not the name of the file.
/// - The first frame of an animation, and the first page of a TIFF, is taken.
/// - Grey values are repeated three times, and palettes are looked up.
/// - Of 16-bit values the high byte is kept, as Pillow does.
/// - CMYK and YCCK become red, green and blue by multiplication with black, as in Pillow. Colour profiles are not used.
/// - Transparent pixels are composited on white. (Pillow's `convert("RGB")` shows what lies under them instead.)
/// - The picture is turned and mirrored as the EXIF orientation says.
///
/// # Errors
/// If the file is empty, is no picture, is damaged or cut short, or is larger than the limits. Its size is compared with
/// them before the pixels are allocated.
pub fn decode(bytes: &[u8], limits: &PictureLimits) -> Result<Decoded, PictureProblem> {
    if bytes.len() as u64 > limits.max_file_bytes {
        let (bytes, limit) = (bytes.len() as u64, limits.max_file_bytes);
        return Err(PictureProblem::TooManyBytes { bytes, limit });
    }
    let format = PictureFormat::of(bytes)?;
    let damaged = |reason: String| PictureProblem::Damaged { format: format.name(), reason };
    if format == PictureFormat::Jpeg && !jpeg::has_end(bytes) {
        return Err(damaged("it ends before its pixels do".to_owned()));
    }
    // A decoder that panics must not end the process.
    let decoded = catch_unwind(AssertUnwindSafe(|| pixels(bytes, format, limits)))
        .unwrap_or_else(|panic| Err(damaged(panic_message(&*panic))));
    let (picture, is_transparent) = decoded?;
    let has_more_frames = frames::has_more_frames(format, bytes);
    Ok(Decoded { picture, format, has_more_frames, is_transparent })
}

fn pixels(
    bytes: &[u8],
    format: PictureFormat,
    limits: &PictureLimits,
) -> Result<(Picture, bool), PictureProblem> {
    let problem = |error| problem_of(error, format);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format.decoder());
    let mut decoder_limits = Limits::no_limits();
    // A pixel has at most four values of two bytes.
    decoder_limits.max_alloc =
        Some(limits.max_pixels.saturating_mul(8).saturating_add(DECODER_BYTES));
    reader.limits(decoder_limits);
    let mut decoder = reader.into_decoder().map_err(problem)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        return Err(PictureProblem::TooManyPixels { width, height, limit: limits.max_pixels });
    }
    let no_pixels = || PictureProblem::Damaged {
        format: format.name(),
        reason: format!("it has {width} x {height} pixels"),
    };
    if width == 0 || height == 0 {
        return Err(no_pixels());
    }
    // A damaged EXIF block leaves the picture as it is.
    let orientation = decoder.orientation().ok();
    let decoded = DynamicImage::from_decoder(decoder).map_err(problem)?;
    let (width, height) = (decoded.width(), decoded.height());
    let (pixels, is_transparent) = rgb::to_rgb(decoded);
    let image = RgbImage::from_raw(width, height, pixels).ok_or_else(no_pixels)?;
    let mut image = DynamicImage::ImageRgb8(image);
    if let Some(orientation) = orientation {
        image.apply_orientation(orientation);
    }
    let (width, height) = (image.width(), image.height());
    let picture =
        Picture::new(width, height, image.into_rgb8().into_raw()).ok_or_else(no_pixels)?;
    Ok((picture, is_transparent))
}

fn problem_of(error: ImageError, format: PictureFormat) -> PictureProblem {
    match error {
        ImageError::Unsupported(error) => {
            PictureProblem::Unsupported(format!("this kind of {} ({error})", format.name()))
        }
        ImageError::Limits(_) => PictureProblem::TooMuchMemory(format.name()),
        error => PictureProblem::Damaged { format: format.name(), reason: error.to_string() },
    }
}
