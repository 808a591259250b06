//! Limits of pictures. They keep a small file from taking gigabytes of memory.

use serde::{Deserialize, Serialize};

/// The largest file of a picture: 64 MiB. A photograph of 50 megapixels has about 25 MB as JPEG.
pub const MAX_FILE_BYTES: u64 = 64 << 20;

/// The most pixels of a picture: 89,478,485, which are 256 MiB of red, green and blue, and where Pillow begins to warn of
/// decompression bombs.
pub const MAX_PIXELS: u64 = 89_478_485;

/// The bytes that a decoder may use beside the pixels, such as for the profile or the comments of a file.
pub(super) const DECODER_BYTES: u64 = 64 << 20;

/// The largest text or JSON file beside a picture in a tar file: 1 MiB.
pub const MAX_SIDE_FILE_BYTES: u64 = 1 << 20;

/// The largest header with the long name of a member of a tar file: 64 KiB.
pub(super) const MAX_TAR_HEADER_BYTES: u64 = 64 << 10;

/// The most shards that a brace range stands for.
pub(super) const MAX_SHARDS: usize = 1_000_000;

/// How large a picture may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PictureLimits {
    /// The most bytes of a file.
    pub max_file_bytes: u64,
    /// The most pixels. The size that a file states is compared with it before memory is allocated.
    pub max_pixels: u64,
}

impl Default for PictureLimits {
    fn default() -> Self {
        Self { max_file_bytes: MAX_FILE_BYTES, max_pixels: MAX_PIXELS }
    }
}
