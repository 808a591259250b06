//! The pixels of a picture as a model reads them.

use std::fmt;

/// Pixel values of shape `[3, height, width]`: all red values row by row, then green, then blue.
#[derive(Clone, PartialEq)]
pub struct Pixels {
    /// The number of rows.
    pub height: u32,
    /// The number of columns.
    pub width: u32,
    /// `3 * height * width` values.
    pub values: PixelValues,
}

/// The values of [`Pixels`].
#[derive(Debug, Clone, PartialEq)]
pub enum PixelValues {
    /// 0 to 255, to be scaled on the device.
    U8(Vec<u8>),
    /// Scaled, and normalised with mean and standard deviation of each channel.
    F32(Vec<f32>),
}

impl PixelValues {
    /// The number of values.
    pub fn len(&self) -> usize {
        match self {
            Self::U8(values) => values.len(),
            Self::F32(values) => values.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Without the values, which would fill pages.
impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.values {
            PixelValues::U8(_) => "u8",
            PixelValues::F32(_) => "f32",
        };
        write!(f, "Pixels(3x{}x{} {kind})", self.height, self.width)
    }
}
