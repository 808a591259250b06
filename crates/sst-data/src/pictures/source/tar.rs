//! Reads WebDataset tar files. A sample is a run of members whose names agree up to the first dot: a picture, and files
//! with the same name beside it, such as `0001.jpg`, `0001.txt`, `0001.cls` and `0001.json`.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tar::{Archive, Entry, PaxExtensions};

use super::super::decode::PictureFormat;
use super::super::limits::{MAX_SIDE_FILE_BYTES, MAX_TAR_HEADER_BYTES};
use super::super::skip::Skipping;
use super::super::{PictureError, PictureProblem};
use super::encoded::EncodedPicture;
use super::{PictureSource, RawPicture, values};
use crate::example::Key;
use crate::ledger::Ledger;
use crate::read::{ReadError, open_stream};
use crate::unused::{Unused, UnusedKind};

/// The most extensions of unused members that the ledger lists.
const MAX_UNUSED: usize = 64;

/// Calls `each` with every picture of the file. A damaged file ends there.
pub(super) fn read(
    source: &PictureSource,
    path: &Path,
    ledger: &Ledger,
    each: &mut dyn FnMut(RawPicture) -> Result<(), PictureError>,
) -> Result<(), PictureError> {
    let name: Arc<str> = path.to_string_lossy().into();
    let mut archive = Archive::new(open_stream(path, &name, ledger)?);
    let damaged =
        |error: io::Error| ReadError::Damaged { path: name.to_string(), reason: error.to_string() };
    let skipping = Skipping { on_error: source.on_error, ledger };
    let mut samples =
        Samples { source, name: name.clone(), skipping, current: None, unused: BTreeSet::new() };
    // The name of the next member, where a header of its own has it.
    let mut long_name: Option<Vec<u8>> = None;
    let mut members = 0_u64;
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        members += 1;
        let kind = entry.header().entry_type();
        if kind.is_gnu_longname() || kind.is_pax_local_extensions() {
            let header = read_whole(&mut entry, MAX_TAR_HEADER_BYTES).map_err(damaged)?;
            long_name = match kind.is_gnu_longname() {
                true => Some(header.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()),
                false => pax_path(&header).or(long_name),
            };
            continue;
        }
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_gnu_longlink() {
            continue;
        }
        let member = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        if !kind.is_file() {
            let key = Key::new(format!("{name}:{}", String::from_utf8_lossy(&member)), 0);
            ledger.add("pictures.links_in_tar", 1, Some(&key));
            continue;
        }
        samples.member(&member, &mut entry, &damaged, each)?;
    }
    if members == 0 {
        return Err(ReadError::Empty { path: name.to_string() }.into());
    }
    samples.finish(each)
}

fn pax_path(header: &[u8]) -> Option<Vec<u8>> {
    let extensions = PaxExtensions::new(header).flatten();
    extensions
        .filter(|field| field.key_bytes() == b"path")
        .map(|field| field.value_bytes().to_vec())
        .last()
}

/// The whole content of a member of at most `limit` bytes.
fn read_whole(entry: &mut Entry<'_, impl Read>, limit: u64) -> io::Result<Vec<u8>> {
    let size = entry.size();
    if size > limit {
        return Err(io::Error::other(format!("a member has {size} bytes, more than {limit}")));
    }
    let mut bytes = Vec::with_capacity(size as usize);
    entry.read_to_end(&mut bytes)?;
    match bytes.len() as u64 == size {
        true => Ok(bytes),
        false => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ends within a member")),
    }
}

/// The samples of one tar file.
struct Samples<'a> {
    source: &'a PictureSource,
    name: Arc<str>,
    skipping: Skipping<'a>,
    current: Option<Sample>,
    /// The extensions of members that are not used.
    unused: BTreeSet<String>,
}

/// The members of one sample so far.
struct Sample {
    stem: String,
    /// The name of the picture, and the picture.
    picture: Option<(String, EncodedPicture)>,
    /// The other members by their extension, and the fields of a JSON member.
    fields: BTreeMap<String, Value>,
    extensions: BTreeSet<String>,
    problem: Option<PictureProblem>,
}

impl Samples<'_> {
    fn member(
        &mut self,
        path: &[u8],
        entry: &mut Entry<'_, impl Read>,
        damaged: &impl Fn(io::Error) -> ReadError,
        each: &mut dyn FnMut(RawPicture) -> Result<(), PictureError>,
    ) -> Result<(), PictureError> {
        let shown = String::from_utf8_lossy(path).into_owned();
        let key = Key::new(format!("{}:{shown}", self.name), 0);
        let Ok(path) = std::str::from_utf8(path) else {
            return self.skipping.checked::<()>(&key, Err(PictureProblem::Name)).map(|_| ());
        };
        let file = path.rsplit_once('/').map_or(path, |(_, file)| file);
        let Some((stem, extension)) = file.split_once('.').filter(|(stem, _)| !stem.is_empty())
        else {
            // Like the reference implementation, and like hidden files of a folder.
            self.skipping.ledger.add("pictures.members_without_extension", 1, Some(&key));
            return Ok(());
        };
        let stem = format!("{}{stem}", &path[..path.len() - file.len()]);
        let extension = extension.to_lowercase();
        if self.current.as_ref().is_some_and(|sample| sample.stem != stem) {
            self.finish(each)?;
        }
        let sample = self.current.get_or_insert_with(|| Sample::new(stem));
        if !sample.extensions.insert(extension.clone()) {
            sample.problem.get_or_insert(PictureProblem::Repeated(extension));
            return Ok(());
        }
        // Of `left.png`, the part behind the last dot says that it is a picture.
        let is_picture = PictureFormat::of_name(Path::new(&format!("x.{extension}"))).is_some();
        let is_wanted = match &self.source.picture_field {
            Some(field) => *field == extension,
            None => is_picture && sample.picture.is_none(),
        };
        if is_wanted {
            let limit = self.source.limits.max_file_bytes;
            let picture = match entry.size() {
                bytes if bytes > limit => EncodedPicture::TooLarge(bytes),
                _ => {
                    let bytes = read_whole(entry, limit).map_err(damaged)?;
                    EncodedPicture::Bytes { bytes, name: Some(file.to_owned()) }
                }
            };
            sample.picture = Some((path.to_owned(), picture));
        } else if self.source.fields().any(|field| field == extension) || extension == "json" {
            let wants_fields = self.source.fields().next().is_some();
            if wants_fields && let Err(problem) = sample.side_file(&extension, entry, damaged)? {
                sample.problem.get_or_insert(problem);
            }
        } else if self.unused.len() < MAX_UNUSED {
            self.unused.insert(format!(".{extension}"));
        }
        Ok(())
    }

    /// Hands over the current sample.
    fn finish(
        &mut self,
        each: &mut dyn FnMut(RawPicture) -> Result<(), PictureError>,
    ) -> Result<(), PictureError> {
        let mut unused = Unused::new();
        self.unused.iter().for_each(|name| unused.add(UnusedKind::Column, name.clone()));
        self.skipping.ledger.add_unused(&unused);
        let Some(sample) = self.current.take() else { return Ok(()) };
        let member = sample.picture.as_ref().map_or(&sample.stem, |(member, _)| member);
        let key = Key::new(format!("{}:{member}", self.name), 0);
        let picture = sample.raw_picture(self.source, key.clone());
        match self.skipping.checked(&key, picture)? {
            Some(picture) => each(picture),
            None => Ok(()),
        }
    }
}

impl Sample {
    fn new(stem: String) -> Self {
        let (fields, extensions) = (BTreeMap::new(), BTreeSet::new());
        Self { stem, picture: None, fields, extensions, problem: None }
    }

    /// Reads a member with a caption, a label or JSON.
    fn side_file(
        &mut self,
        extension: &str,
        entry: &mut Entry<'_, impl Read>,
        damaged: &impl Fn(io::Error) -> ReadError,
    ) -> Result<Result<(), PictureProblem>, ReadError> {
        let problem =
            |reason: String| PictureProblem::Field { field: extension.to_owned(), reason };
        if entry.size() > MAX_SIDE_FILE_BYTES {
            let reason = format!(
                "has {} bytes, more than {MAX_SIDE_FILE_BYTES}: make it shorter",
                entry.size()
            );
            return Ok(Err(problem(reason)));
        }
        let bytes = read_whole(entry, MAX_SIDE_FILE_BYTES).map_err(damaged)?;
        let Ok(text) = String::from_utf8(bytes) else {
            return Ok(Err(problem("is not UTF-8: write it again".to_owned())));
        };
        if extension != "json" {
            self.fields.insert(extension.to_owned(), Value::String(text.trim_end().to_owned()));
            return Ok(Ok(()));
        }
        match serde_json::from_str(&text) {
            Ok(Value::Object(members)) => {
                for (name, value) in members {
                    self.fields.entry(name).or_insert(value);
                }
                Ok(Ok(()))
            }
            Ok(_) => Ok(Err(problem("holds no JSON object: write one".to_owned()))),
            Err(error) => Ok(Err(problem(format!("is not JSON ({error}): write it again")))),
        }
    }

    fn raw_picture(self, source: &PictureSource, key: Key) -> Result<RawPicture, PictureProblem> {
        if let Some(problem) = self.problem {
            return Err(problem);
        }
        let (_, file) = self.picture.ok_or(PictureProblem::Missing)?;
        let label = source.label_field.as_deref();
        let label = label.map(|field| values::label(field, &self.fields)).transpose()?;
        let captions = values::captions(&source.caption_fields, &self.fields)?;
        Ok(RawPicture { key, file, label, captions })
    }
}
