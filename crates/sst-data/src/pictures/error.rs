//! Errors of pictures, with the place and what to do.

use crate::example::Key;
use crate::lock::LockError;
use crate::read::ReadError;
use crate::setting::{self, NamesSettings, Setting};
use crate::store::StoreError;

/// Why one picture, or what stands beside it, cannot be used. The caller adds the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureProblem {
    /// The file has no bytes.
    #[error("the file is empty: remove it, or write the picture again")]
    Empty,
    /// The file is no picture.
    #[error("the file is {0}, not a picture: remove it, or name other files")]
    NotAPicture(&'static str),
    /// The picture is in a format that is not read.
    #[error("{0} is not read: convert the picture to PNG, JPEG, WebP, GIF, BMP or TIFF")]
    Unsupported(String),
    /// The picture cannot be decoded.
    #[error("the {format} is damaged or cut short ({reason}): fetch or write it again")]
    Damaged {
        /// The name of the format.
        format: &'static str,
        /// The message of the decoder.
        reason: String,
    },
    /// The picture has too many pixels.
    #[error(
        "the picture has {width} x {height} pixels, more than {limit} in all: make it smaller, or raise `max_pixels`"
    )]
    TooManyPixels {
        /// The number of columns that the file states.
        width: u32,
        /// The number of rows that the file states.
        height: u32,
        /// The most pixels.
        limit: u64,
    },
    /// Decoding takes too much memory.
    #[error(
        "decoding the {0} takes more memory than `max_pixels` allows: make the picture smaller, or raise it"
    )]
    TooMuchMemory(&'static str),
    /// The file is too large.
    #[error(
        "the file has {bytes} bytes, more than {limit}: make it smaller, or raise `max_file_bytes`"
    )]
    TooManyBytes {
        /// Its size.
        bytes: u64,
        /// The most bytes.
        limit: u64,
    },
    /// The file that a record names cannot be read.
    #[error("cannot read {path} ({reason}): paths are relative to the file that names them")]
    Unreadable {
        /// The path, completed.
        path: String,
        /// The error of the operating system.
        reason: String,
    },
    /// A record names an address on the network.
    #[error(
        "{0} is on the network, where pictures are not fetched from: download it, and write its path"
    )]
    Address(String),
    /// The base64 of a record is not valid.
    #[error("the base64 of the picture is damaged ({0}): write it again")]
    Base64(String),
    /// The record has no picture.
    #[error("there is no picture: add one, or remove the record")]
    Missing,
    /// A field beside the picture is missing or holds something else than expected.
    #[error("field `{field}` {reason}")]
    Field {
        /// The field.
        field: String,
        /// What it holds, and what to do.
        reason: String,
    },
    /// Two members of a tar file with the same name and extension.
    #[error("the tar file has two members .{0} of this name: rename one of them")]
    Repeated(String),
    /// The name of a member is not UTF-8.
    #[error("the name of the member is not UTF-8: pack the tar file again with names that are")]
    Name,
}

impl PictureProblem {
    /// The name under which the ledger counts a picture that is skipped because of this problem.
    pub fn ledger_name(&self) -> &'static str {
        match self {
            Self::Empty => "pictures.empty",
            Self::NotAPicture(_) => "pictures.not_a_picture",
            Self::Unsupported(_) => "pictures.unsupported",
            Self::Damaged { .. } => "pictures.damaged",
            Self::TooManyPixels { .. } | Self::TooMuchMemory(_) => "pictures.too_many_pixels",
            Self::TooManyBytes { .. } => "pictures.too_many_bytes",
            Self::Unreadable { .. } => "pictures.unreadable",
            Self::Address(_) => "pictures.on_network",
            Self::Base64(_) => "pictures.bad_base64",
            Self::Missing => "pictures.missing",
            Self::Field { .. } => "pictures.bad_field",
            Self::Repeated(_) => "pictures.repeated_member",
            Self::Name => "pictures.bad_name",
        }
    }
}

/// Why pictures cannot be read, or a store of them cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// A picture, or what stands beside it, cannot be used.
    #[error("{key}: {problem}")]
    Picture {
        /// The picture.
        key: Key,
        /// What is wrong.
        #[source]
        problem: PictureProblem,
    },
    /// A record lacks the field of the picture.
    #[error(
        "{key} has no field `{field}` (it has {found}): set `picture_field` to the one with the pictures"
    )]
    NoField {
        /// The record.
        key: Key,
        /// The field.
        field: String,
        /// The fields that exist.
        found: String,
    },
    /// The field of the picture holds something that is no picture.
    #[error(
        "{key}: field `{field}` is {found}, not a path, base64 or bytes: set `picture_field` to the one with the pictures"
    )]
    NotAFile {
        /// The record.
        key: Key,
        /// The field.
        field: String,
        /// The type of its value, with its article.
        found: String,
    },
    /// No picture has a caption in a field.
    #[error("no picture has a caption in the field `{field}`: correct its name, or leave it out")]
    NoCaptions {
        /// The field.
        field: String,
    },
    /// A path has a brace range that cannot be expanded.
    #[error("{path}: {reason}")]
    BadRange {
        /// The path, as written.
        path: String,
        /// The problem and what to do.
        reason: String,
    },
    /// A path holds no pictures.
    #[error(
        "{path} holds no pictures: name a folder of pictures, of tar files, or of JSON lines, CSV or Parquet files that \
         name them"
    )]
    NoPictures {
        /// The path, as written.
        path: String,
    },
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The store cannot be written or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cache cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The labels cannot be numbered.
    #[error("the labels of the pictures {0}")]
    Labels(String),
    /// The size of stored pictures is 0 or too large.
    #[error("`size` of the stored pictures is {0}, and must be between 1 and 4096 pixels")]
    BadSize(u32),
    /// No picture is left after skipping.
    #[error("no picture is left of {paths}: {left_out}")]
    NoneLeft {
        /// The paths, as written.
        paths: String,
        /// What was left out, with counts.
        left_out: String,
    },
}

impl PictureError {
    /// The name under which the ledger counts this error if `on_error` is `skip`; `None` if it is never skipped.
    pub fn ledger_name(&self) -> Option<&'static str> {
        match self {
            Self::Picture { problem, .. } => Some(problem.ledger_name()),
            Self::NoField { .. } | Self::NotAFile { .. } => Some("pictures.missing"),
            Self::Read(error) => error.ledger_name(),
            _ => None,
        }
    }

    /// The picture or record, if the error belongs to one.
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Picture { key, .. } | Self::NoField { key, .. } | Self::NotAFile { key, .. } => {
                Some(key)
            }
            _ => None,
        }
    }
}

impl NamesSettings for PictureError {
    fn settings(&self) -> Vec<Setting> {
        match self {
            Self::NoField { .. } | Self::NotAFile { .. } => vec![setting::PICTURE_FIELD],
            Self::BadRange { .. } | Self::NoPictures { .. } => vec![setting::PICTURE_PATHS],
            Self::BadSize(_) => vec![setting::PICTURE_SIZE],
            Self::Picture {
                problem: PictureProblem::TooManyPixels { .. } | PictureProblem::TooMuchMemory(_),
                ..
            } => vec![setting::MAX_PIXELS],
            Self::Picture { problem: PictureProblem::TooManyBytes { .. }, .. } => {
                vec![setting::MAX_FILE_BYTES]
            }
            Self::Read(error) => error.settings(),
            _ => Vec::new(),
        }
    }
}
