//! A decoded picture.

use std::fmt;

use image::ExtendedColorType;
use image::ImageEncoder;
use image::codecs::png::PngEncoder;

/// A picture of 8-bit red, green and blue values. It has at least one pixel.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

impl Picture {
    /// A picture of `width` columns and `height` rows. `pixels` holds `3 * width * height` values, row by row, the three
    /// values of a pixel side by side. `None` if the number of values is another one, or 0.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Option<Self> {
        let expected = 3_u64 * u64::from(width) * u64::from(height);
        (expected > 0 && expected == pixels.len() as u64).then_some(Self { width, height, pixels })
    }

    /// A picture whose pixels were counted before.
    pub(super) fn of(width: u32, height: u32, pixels: Vec<u8>) -> Self {
        debug_assert_eq!(3 * width as usize * height as usize, pixels.len());
        Self { width, height, pixels }
    }

    /// The number of columns.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The number of rows.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// All values, row by row, the three values of a pixel side by side.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// All values, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The values alone.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// The values of one row.
    pub(super) fn row(&self, y: u32) -> &[u8] {
        let stride = 3 * self.width as usize;
        &self.pixels[y as usize * stride..][..stride]
    }

    /// The rectangle of `width` by `height` pixels whose first pixel is in column `left` of row `top`. What lies outside
    /// of the picture is left out, but at least one pixel is kept.
    #[must_use]
    pub fn crop(&self, left: u32, top: u32, width: u32, height: u32) -> Self {
        let (left, top) = (left.min(self.width - 1), top.min(self.height - 1));
        let width = width.clamp(1, self.width - left);
        let height = height.clamp(1, self.height - top);
        let mut pixels = Vec::with_capacity(3 * width as usize * height as usize);
        for y in top..top + height {
            pixels.extend_from_slice(&self.row(y)[3 * left as usize..][..3 * width as usize]);
        }
        Self { width, height, pixels }
    }

    /// The picture as a file in PNG.
    ///
    /// # Errors
    /// If the encoder refuses its size.
    pub fn to_png(&self) -> Result<Vec<u8>, image::ImageError> {
        let mut file = Vec::new();
        let kind = ExtendedColorType::Rgb8;
        PngEncoder::new(&mut file).write_image(&self.pixels, self.width, self.height, kind)?;
        Ok(file)
    }
}

/// Without the pixels, which would fill pages.
impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{})", self.width, self.height)
    }
}
