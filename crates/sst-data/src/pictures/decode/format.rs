//! Finds the format of a picture from its first bytes.

use std::path::Path;

use image::ImageFormat;

use super::super::PictureProblem;

/// A format of pictures that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PictureFormat {
    /// Windows bitmap.
    Bmp,
    /// GIF.
    Gif,
    /// JPEG.
    Jpeg,
    /// PNG.
    Png,
    /// TIFF.
    Tiff,
    /// WebP.
    WebP,
}

impl PictureFormat {
    /// The format that the first bytes of a file show. The name of the file does not count.
    ///
    /// # Errors
    /// If they show another format, or none that is known.
    pub fn of(bytes: &[u8]) -> Result<Self, PictureProblem> {
        if bytes.is_empty() {
            return Err(PictureProblem::Empty);
        }
        match bytes {
            [b'B', b'M', ..] => Ok(Self::Bmp),
            [b'G', b'I', b'F', b'8', ..] => Ok(Self::Gif),
            [0xff, 0xd8, 0xff, ..] => Ok(Self::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Ok(Self::Png),
            [b'I', b'I', 42 | 43, 0, ..] | [b'M', b'M', 0, 42 | 43, ..] => Ok(Self::Tiff),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Ok(Self::WebP),
            _ => Err(unread(bytes)),
        }
    }

    /// The format that the extension of `path` names.
    pub fn of_name(path: &Path) -> Option<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        match extension.as_str() {
            "bmp" | "dib" => Some(Self::Bmp),
            "gif" => Some(Self::Gif),
            "jpg" | "jpeg" | "jpe" | "jfif" => Some(Self::Jpeg),
            "png" | "apng" => Some(Self::Png),
            "tif" | "tiff" => Some(Self::Tiff),
            "webp" => Some(Self::WebP),
            _ => None,
        }
    }

    /// The name of the format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bmp => "BMP",
            Self::Gif => "GIF",
            Self::Jpeg => "JPEG",
            Self::Png => "PNG",
            Self::Tiff => "TIFF",
            Self::WebP => "WebP",
        }
    }

    pub(super) fn decoder(self) -> ImageFormat {
        match self {
            Self::Bmp => ImageFormat::Bmp,
            Self::Gif => ImageFormat::Gif,
            Self::Jpeg => ImageFormat::Jpeg,
            Self::Png => ImageFormat::Png,
            Self::Tiff => ImageFormat::Tiff,
            Self::WebP => ImageFormat::WebP,
        }
    }
}

/// What a file is that is none of the formats.
fn unread(bytes: &[u8]) -> PictureProblem {
    let text =
        || String::from_utf8_lossy(&bytes[..bytes.len().min(256)]).trim_start().to_lowercase();
    let unsupported = |what: &str| PictureProblem::Unsupported(what.to_owned());
    match bytes {
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => match brand {
            [b'a', b'v', b'i', b'f' | b's', ..] => unsupported("AVIF"),
            [b'h', b'e', ..] | [b'm', b'i', b'f', b'1', ..] => unsupported("HEIC"),
            _ => PictureProblem::NotAPicture("a film"),
        },
        [0xff, 0x0a, ..] | [0, 0, 0, 0x0c, b'J', b'X', b'L', b' ', ..] => unsupported("JPEG XL"),
        [0, 0, 0, 0x0c, b'j', b'P', ..] => unsupported("JPEG 2000"),
        [0, 0, 1, 0, ..] => unsupported("ICO"),
        [b'8', b'B', b'P', b'S', ..] => unsupported("PSD"),
        [b'P', b'1'..=b'7', b' ' | b'\n' | b'\r' | b'\t', ..] => unsupported("PNM"),
        [b'%', b'P', b'D', b'F', ..] => PictureProblem::NotAPicture("a PDF"),
        [b'P', b'K', 3, 4, ..] => PictureProblem::NotAPicture("a zip archive"),
        [0x1f, 0x8b, ..] => PictureProblem::NotAPicture("compressed with gzip"),
        _ if text().starts_with("<svg") => unsupported("SVG"),
        _ if text().starts_with("<?xml") && text().contains("<svg") => unsupported("SVG"),
        _ if text().starts_with("<!doctype html") || text().starts_with("<html") => {
            PictureProblem::NotAPicture("a web page")
        }
        _ if text().starts_with("version https://git-lfs") => {
            PictureProblem::NotAPicture("a pointer of Git LFS")
        }
        _ => PictureProblem::NotAPicture("of no format that is known"),
    }
}
