//! The files that pictures are read from, and what stands beside them.

mod braces;
mod discover;
mod encoded;
mod table;
mod tar;
mod values;

use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tracing::subscriber::{NoSubscriber, with_default};

use super::skip::Skipping;
use super::{PictureError, PictureLimits, PictureProblem};
use crate::example::Key;
use crate::hex::hex;
use crate::ledger::Ledger;
use crate::read::{Format, OnError, check_regular};
use crate::store::{StoreError, sample};
use discover::Input;

pub use encoded::EncodedPicture;

/// Where pictures are read from, with their captions and labels.
///
/// - A folder of pictures: the class of a picture is the name of the folder that it lies in. Below folders named for
///   splits (`train`, `test`, ...) only the training split is read.
/// - JSON lines, CSV, TSV and Parquet: a record names the file of its picture, relative to the file that names it, or
///   holds the file in base64 or, in Parquet, as bytes or as `{bytes, path}`, the form of the `datasets` library.
/// - Tar files in the form of WebDataset, also compressed. Shards may be named by a range: `train-{000..012}.tar`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PictureSource {
    /// Files, folders (read recursively), globs and brace ranges. A folder is read for its tables (JSON lines, CSV, TSV,
    /// Parquet) if it has any, else for its tar files, else for its pictures.
    pub paths: Vec<String>,
    /// The field of the picture. `None` takes `image`, or `file_name` in files called `metadata`; in tar files the first
    /// member of a sample that is named like a picture.
    pub picture_field: Option<String>,
    /// The fields of captions. In tar files it is an extension, such as `txt`, or a field of the JSON member. A caption is
    /// a text or a list of texts. A picture needs a caption in one of them; where another has none, the ledger counts
    /// `captions.missing`.
    pub caption_fields: Vec<String>,
    /// The field of the label. In a folder of pictures any name stands for the class. `None` reads no labels.
    pub label_field: Option<String>,
    /// What to do with a picture that cannot be used. Skipped pictures are counted in the ledger as `pictures.empty`,
    /// `pictures.not_a_picture`, `pictures.unsupported`, `pictures.damaged`, `pictures.too_many_pixels`,
    /// `pictures.too_many_bytes`, `pictures.unreadable`, `pictures.missing`, `pictures.bad_base64`,
    /// `pictures.bad_field`, `pictures.on_network`, `pictures.repeated_member` or `pictures.bad_name`.
    pub on_error: OnError,
    /// How large a picture may be.
    pub limits: PictureLimits,
}

impl Default for PictureSource {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            picture_field: None,
            caption_fields: Vec::new(),
            label_field: None,
            on_error: OnError::Fail,
            limits: PictureLimits::default(),
        }
    }
}

/// A picture that is not decoded yet, and what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawPicture {
    /// The place: `cats/1.png`, `pictures.jsonl:7` or `train-003.tar:0001.jpg`.
    pub key: Key,
    /// The file.
    pub file: EncodedPicture,
    /// Its label, if labels are read.
    pub label: Option<String>,
    /// Its captions, for each field of captions a list. At least one of the lists is not empty.
    pub captions: Vec<Vec<String>>,
}

impl PictureSource {
    /// A source of these paths with default settings.
    pub fn new(paths: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { paths: paths.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The SHA-256 of these settings, and for each file of its path, size and time of change, and of tables and tar files
    /// also both ends.
    ///
    /// # Errors
    /// If a file does not exist.
    pub fn fingerprint(&self) -> Result<String, PictureError> {
        let mut hash = Sha256::new();
        hash.update(format!("{self:?}\n"));
        self.hash_files(&mut hash)?;
        Ok(hex(&hash.finalize()))
    }

    /// The fields beside the picture that are used.
    fn fields(&self) -> impl Iterator<Item = &str> {
        self.caption_fields.iter().chain(&self.label_field).map(String::as_str)
    }

    /// Calls `each` with every picture, in the order of the files. Pictures are not decoded, and files that records name
    /// are not opened.
    ///
    /// The ledger counts files of folders that are left out as `read.other_files` and `read.other_splits`, and lists
    /// unused fields as `unused.columns`.
    ///
    /// # Errors
    /// If a path does not exist or holds no pictures; the errors of files and records, unless they are skipped; and those
    /// of `each`, which end the reading.
    pub fn read(
        &self,
        ledger: &Ledger,
        each: &mut dyn FnMut(RawPicture) -> Result<(), PictureError>,
    ) -> Result<(), PictureError> {
        let skipping = Skipping { on_error: self.on_error, ledger };
        for input in discover::discover(&self.paths, ledger)? {
            let (path, result) = match input {
                Input::Picture { path, class } => {
                    let key = Key::new(path.to_string_lossy(), 0);
                    let picture = self.single(key.clone(), path, class);
                    if let Some(picture) = skipping.checked(&key, picture)? {
                        each(picture)?;
                    }
                    continue;
                }
                Input::Table(path) => {
                    let result = table::read(self, &path, ledger, each);
                    (path, result)
                }
                Input::Tar(path) => {
                    let result = tar::read(self, &path, ledger, each);
                    (path, result)
                }
            };
            // Records were skipped one by one before. What remains is an error of the file, or of `each`.
            match result {
                Err(PictureError::Read(error)) => {
                    let place = Key::new(path.to_string_lossy(), 0);
                    skipping.count_or_fail(error.into(), Some(&place))?;
                }
                other => other?,
            }
        }
        Ok(())
    }

    /// A file of its own.
    fn single(
        &self,
        key: Key,
        path: PathBuf,
        class: Option<String>,
    ) -> Result<RawPicture, PictureProblem> {
        if let Some(field) = self.caption_fields.first() {
            let reason = "is a caption, which a folder of pictures does not have: write JSON lines with the path and the \
                          caption of each picture"
                .to_owned();
            return Err(PictureProblem::Field { field: field.clone(), reason });
        }
        let label = match (&self.label_field, class) {
            (None, _) => None,
            (Some(_), Some(class)) => Some(class),
            (Some(field), None) => {
                let reason = "is the class, but the picture lies in no folder of its class: move it into one".to_owned();
                return Err(PictureProblem::Field { field: field.clone(), reason });
            }
        };
        Ok(RawPicture { key, file: EncodedPicture::Path(path), label, captions: Vec::new() })
    }

    /// Adds to `hash` everything that tells whether the files have changed: for tables and tar files their path, size,
    /// time of change and both ends, for pictures their path, size and time of change. The pictures that text files name
    /// are among these; those that Parquet files name by their path are not, because the whole file would have to be
    /// read.
    pub(super) fn hash_files(&self, hash: &mut Sha256) -> Result<(), PictureError> {
        let quiet = Ledger::new();
        let inputs = discover::discover(&self.paths, &quiet)?;
        // The ledger of a store that is in the cache names what was left out, which must be what is left out now.
        hash.update(format!("{:?}\n", quiet.entries()));
        for input in inputs {
            match input {
                Input::Picture { path, class } => {
                    hash.update(format!("{class:?}\n"));
                    hash_stat(hash, &path);
                }
                Input::Tar(path) => hash_sample(hash, &path)?,
                Input::Table(path) => {
                    hash_sample(hash, &path)?;
                    if Format::of(&path) == Some(Format::Parquet) {
                        continue;
                    }
                    let lenient = Self { on_error: OnError::Skip, ..self.clone() };
                    // What is wrong with the file is said when it is read, and nothing is skipped here.
                    with_default(NoSubscriber::default(), || {
                        let read = table::read(&lenient, &path, &quiet, &mut |picture| {
                            if let EncodedPicture::Path(path) = &picture.file {
                                hash_stat(hash, path);
                            }
                            Ok(())
                        });
                        drop(read);
                    });
                }
            }
        }
        Ok(())
    }
}

fn hash_sample(hash: &mut Sha256, path: &Path) -> Result<(), PictureError> {
    check_regular(path)?;
    hash.update(sample(path).map_err(StoreError::io("read", path))?);
    Ok(())
}

/// A file that cannot be found counts as one of no size.
fn hash_stat(hash: &mut Sha256, path: &Path) {
    let metadata = std::fs::metadata(path).ok();
    let changed = metadata.as_ref().and_then(|metadata| metadata.modified().ok());
    let changed = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    let size = metadata.map(|metadata| metadata.len());
    hash.update(format!("{}\n{size:?}\n{}\n", path.display(), changed.as_nanos()));
}
