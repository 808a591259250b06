//! A picture before it is decoded: bytes, base64, or the path of a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::super::decode::{Decoded, PictureFormat, decode};
use super::super::{PictureLimits, PictureProblem};
use crate::read::require_file;

/// The shortest base64 that is taken for a picture. The smallest GIF has 35 bytes.
const LEAST_BASE64: usize = 32;

/// The longest path that Linux takes. A longer text is damaged base64.
const MAX_PATH_BYTES: usize = 4096;

/// The file of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EncodedPicture {
    /// The bytes, and the name that says what they should be, such as that of a member of a tar file.
    Bytes {
        /// The whole file.
        bytes: Vec<u8>,
        /// Its name, where there is one.
        name: Option<String>,
    },
    /// Base64 of the file, as a JSON or CSV file has it.
    Base64(String),
    /// The path of the file.
    Path(PathBuf),
    /// A file that was not read because of its size in bytes.
    TooLarge(u64),
}

impl EncodedPicture {
    /// What the text of a field means. It is base64 if it begins with `data:`, or is valid base64 of at least 32
    /// characters that begins like a picture. Otherwise it is a path, relative to `folder`.
    pub(super) fn of_text(text: String, folder: &Path) -> Result<Self, PictureProblem> {
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(PictureProblem::Missing);
        }
        let lower = trimmed.get(..8).unwrap_or_default().to_lowercase();
        if lower.starts_with("data:") || is_base64(trimmed) {
            return Ok(Self::Base64(text));
        }
        if lower.starts_with("http://") || lower.starts_with("https://") {
            let shown = trimmed.chars().take(200).collect();
            return Err(PictureProblem::Address(shown));
        }
        if trimmed.len() > MAX_PATH_BYTES {
            let start: String = trimmed.chars().take(40).collect();
            let message =
                format!("{start}... has {} bytes, is no path and no base64", trimmed.len());
            return Err(PictureProblem::Base64(message));
        }
        Ok(Self::Path(folder.join(trimmed)))
    }

    /// Decodes the picture. The second value says whether the name of the file names another format than its contents
    /// have.
    ///
    /// # Errors
    /// If the file cannot be read or decoded.
    pub fn decode(&self, limits: &PictureLimits) -> Result<(Decoded, bool), PictureProblem> {
        let decoded = decode(&self.bytes(limits)?, limits)?;
        let name = match self {
            Self::Bytes { name, .. } => name.as_deref().map(Path::new),
            Self::Path(path) => Some(path.as_path()),
            Self::Base64(_) | Self::TooLarge(_) => None,
        };
        let named = name.and_then(PictureFormat::of_name);
        let is_misnamed = named.is_some_and(|named| named != decoded.format);
        Ok((decoded, is_misnamed))
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// If the file cannot be read, the base64 is not valid, or the file is larger than the limit.
    pub fn bytes(&self, limits: &PictureLimits) -> Result<Cow<'_, [u8]>, PictureProblem> {
        let limit = limits.max_file_bytes;
        match self {
            Self::Bytes { bytes, .. } => Ok(Cow::Borrowed(bytes)),
            Self::Base64(text) => base64_bytes(text, limit).map(Cow::Owned),
            Self::TooLarge(bytes) => Err(PictureProblem::TooManyBytes { bytes: *bytes, limit }),
            Self::Path(path) => file_bytes(path, limit).map(Cow::Owned),
        }
    }
}

fn file_bytes(path: &Path, limit: u64) -> Result<Vec<u8>, PictureProblem> {
    let unreadable = |error: std::io::Error| PictureProblem::Unreadable {
        path: path.to_string_lossy().into_owned(),
        reason: error.to_string(),
    };
    require_file(path).map_err(unreadable)?;
    let file = File::open(path).map_err(unreadable)?;
    let size = file.metadata().map_err(unreadable)?.len();
    if size > limit {
        return Err(PictureProblem::TooManyBytes { bytes: size, limit });
    }
    let mut bytes = Vec::with_capacity(size as usize);
    // The file may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// With or without padding at the end.
fn engine(alphabet: &Alphabet) -> GeneralPurpose {
    let padding = DecodePaddingMode::Indifferent;
    GeneralPurpose::new(alphabet, GeneralPurposeConfig::new().with_decode_padding_mode(padding))
}

fn is_url_safe(text: &str) -> bool {
    text.bytes().any(|byte| matches!(byte, b'-' | b'_'))
}

/// Whether `text` is base64 that begins like a picture. Only the first characters are decoded.
fn is_base64(text: &str) -> bool {
    let is_of_alphabet = |byte: u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\r' | b'\n')
    };
    if text.len() < LEAST_BASE64 || !text.bytes().all(is_of_alphabet) {
        return false;
    }
    let head = engine(if is_url_safe(text) { &URL_SAFE } else { &STANDARD }).decode(&text[..16]);
    head.is_ok_and(|head| !matches!(PictureFormat::of(&head), Err(PictureProblem::NotAPicture(_))))
}

fn base64_bytes(text: &str, limit: u64) -> Result<Vec<u8>, PictureProblem> {
    let bad = |reason: &str| PictureProblem::Base64(reason.to_owned());
    let text = text.trim();
    let text = match text.get(..5).filter(|head| head.eq_ignore_ascii_case("data:")) {
        None => text,
        Some(_) => {
            let (head, data) =
                text.split_once(',').ok_or_else(|| bad("there is no comma in it"))?;
            if !head.to_lowercase().ends_with(";base64") {
                return Err(bad("its data URL is in another encoding"));
            }
            data.trim()
        }
    };
    let bytes = text.len() as u64 / 4 * 3;
    if bytes > limit {
        return Err(PictureProblem::TooManyBytes { bytes, limit });
    }
    let text: Cow<'_, str> = match text.contains(['\r', '\n', ' ']) {
        true => Cow::Owned(text.split_ascii_whitespace().collect()),
        false => Cow::Borrowed(text),
    };
    let engine = engine(if is_url_safe(&text) { &URL_SAFE } else { &STANDARD });
    engine.decode(text.as_bytes()).map_err(|error| bad(&error.to_string()))
}
