//! Prepares a picture store from files: reads, decodes and resizes every picture once for each set of inputs.

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::super::decode::Decoded;
use super::super::skip::Skipping;
use super::super::source::{EncodedPicture, PictureSource, RawPicture};
use super::super::{PictureError, PictureProblem};
use super::format::{Manifest, StoredRecord, VERSION};
use super::reader::PictureStore;
use super::size::StoredPictures;
use super::writer::PictureWriter;
use crate::hex::hex;
use crate::ledger::Ledger;
use crate::read;
use crate::records::{LabelCollector, LabelError};
use crate::store::{StoreError, open_or_build};

/// The bytes of encoded and of resized pictures that are held at once. They bound the memory, and are enough to keep
/// every core busy.
const BATCH_BYTES: u64 = 64 << 20;
/// The most pictures that are decoded at once.
const BATCH_PICTURES: usize = 256;

/// The inputs of a picture store.
#[derive(Debug)]
pub struct PicturePreparation<'a> {
    /// The files.
    pub source: &'a PictureSource,
    /// How pictures are resized.
    pub stored: StoredPictures,
    /// A given table of labels, in the order of their numbers, such as those of the data that a model was trained on.
    /// `None` collects the labels from the files.
    pub labels: Option<&'a [String]>,
    /// The ledger that gets the counts of reading and decoding. If the store exists already, they come from the store.
    pub ledger: &'a Ledger,
    /// The folder that contains the stores.
    pub cache: &'a Path,
}

impl PicturePreparation<'_> {
    /// The SHA-256 of everything that the store depends on: the format, the settings, and for each file its path, size
    /// and time of change, and of tables and tar files also both ends.
    ///
    /// # Errors
    /// If a file does not exist.
    pub fn fingerprint(&self) -> Result<String, PictureError> {
        let mut hash = Sha256::new();
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| StoreError::damaged(self.cache, error.to_string()))
        };
        hash.update(format!("pictures {VERSION}\n{}\n", read::VERSION));
        hash.update(json(serde_json::to_string(self.source))? + "\n");
        hash.update(json(serde_json::to_string(&self.stored))? + "\n");
        hash.update(json(serde_json::to_string(&self.labels))? + "\n");
        self.source.hash_files(&mut hash)?;
        Ok(hex(&hash.finalize()))
    }

    /// The store for these inputs, from the cache or newly built on all cores. If another process is building it, this
    /// waits. `progress` is called with the numbers of pictures and of bytes of pixels so far. Memory does not grow with
    /// the data, except for the labels.
    ///
    /// The ledger counts animations and files of several pages, of which the first picture is used, as
    /// `pictures.first_frame_only`; pictures with transparent pixels, which are composited on white, as
    /// `pictures.composited`; and files that are named for another format than they have as `pictures.misnamed`.
    /// [`PictureSource::on_error`] says how pictures are counted that cannot be used.
    ///
    /// # Errors
    /// If a picture cannot be used and is not skipped, the disk is full, or no picture is left.
    pub fn prepare(
        &self,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Arc<PictureStore>, PictureError> {
        self.stored.check()?;
        let fingerprint = self.fingerprint()?;
        let build = || self.build(&fingerprint, progress);
        let (store, _) = open_or_build(self.cache, &fingerprint, PictureStore::open, build)?;
        self.ledger.merge(store.ledger());
        Ok(Arc::new(store))
    }

    fn build(
        &self,
        fingerprint: &str,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<PictureStore, PictureError> {
        // The store gets a ledger of its own, so that its counts include nothing else.
        let ledger = Ledger::new();
        let labels = LabelCollector::new("label", self.labels)
            .map_err(|error| PictureError::Labels(error.to_string()))?;
        let writer = PictureWriter::create(self.cache, fingerprint)?;
        let has_captions = vec![false; self.source.caption_fields.len()];
        let mut building =
            Building { preparation: self, writer, labels, has_captions, ledger: &ledger };
        let stored_bytes = 2 * 3 * u64::from(self.stored.side()).pow(2);
        let most = (BATCH_BYTES / stored_bytes).clamp(1, BATCH_PICTURES as u64) as usize;
        let (mut batch, mut bytes) = (Vec::new(), 0);
        self.source.read(&ledger, &mut |picture| {
            bytes += match &picture.file {
                EncodedPicture::Bytes { bytes, .. } => bytes.len() as u64,
                EncodedPicture::Base64(text) => text.len() as u64,
                EncodedPicture::Path(_) | EncodedPicture::TooLarge(_) => 0,
            };
            batch.push(picture);
            if batch.len() == most || bytes >= BATCH_BYTES {
                building.write(std::mem::take(&mut batch))?;
                bytes = 0;
                let (pictures, written) = building.writer.counts();
                progress(pictures, written);
            }
            Ok(())
        })?;
        building.write(batch)?;
        let Building { writer, labels, has_captions, .. } = building;
        let (pictures, written) = writer.counts();
        progress(pictures, written);
        if pictures == 0 {
            self.ledger.merge(&ledger.entries());
            let left_out = ledger.entries().into_iter().map(|(name, entry)| {
                let first = entry.first.map(|place| format!(" (first at {place})"));
                format!("{name} {}{}", entry.count, first.unwrap_or_default())
            });
            return Err(PictureError::NoneLeft {
                paths: self.source.paths.join(", "),
                left_out: left_out.collect::<Vec<_>>().join(", "),
            });
        }
        let fields = self.source.caption_fields.iter().zip(has_captions);
        if let Some((field, _)) = fields.into_iter().find(|(_, has_one)| !has_one) {
            return Err(PictureError::NoCaptions { field: field.clone() });
        }
        let (table, label_numbers) = labels.finish();
        Ok(writer.finish(Manifest {
            version: VERSION,
            fingerprint: fingerprint.to_owned(),
            num_pictures: 0,
            caption_fields: self.source.caption_fields.clone(),
            labels: self.source.label_field.is_some().then_some(table),
            label_numbers,
            ledger: ledger.entries(),
            files: Default::default(),
            seal: String::new(),
        })?)
    }
}

/// A store that is being built.
struct Building<'a> {
    preparation: &'a PicturePreparation<'a>,
    writer: PictureWriter,
    labels: LabelCollector,
    /// Whether a picture has captions in each field.
    has_captions: Vec<bool>,
    ledger: &'a Ledger,
}

impl Building<'_> {
    /// Decodes and resizes pictures on all cores, and writes them in order.
    fn write(&mut self, batch: Vec<RawPicture>) -> Result<(), PictureError> {
        let source = self.preparation.source;
        let skipping = Skipping { on_error: source.on_error, ledger: self.ledger };
        let decode = |raw: &RawPicture| -> Result<(Decoded, bool), PictureProblem> {
            let (decoded, is_misnamed) = raw.file.decode(&source.limits)?;
            let picture = self.preparation.stored.fit(decoded.picture);
            Ok((Decoded { picture, ..decoded }, is_misnamed))
        };
        let decoded: Vec<_> = batch.par_iter().map(decode).collect();
        for (raw, decoded) in batch.into_iter().zip(decoded) {
            let Some((decoded, is_misnamed)) = skipping.checked(&raw.key, decoded)? else {
                continue;
            };
            let label = match raw.label.as_deref().map(|label| self.number(label)).transpose()? {
                None => None,
                Some(number) => match skipping.checked(&raw.key, number)? {
                    None => continue,
                    number => number,
                },
            };
            self.push(raw, label, &decoded, is_misnamed)?;
        }
        Ok(())
    }

    /// The provisional number of a label, or the problem that a given table does not have it.
    fn number(&mut self, label: &str) -> Result<Result<u32, PictureProblem>, PictureError> {
        match self.labels.number(label) {
            Ok(number) => Ok(Ok(number)),
            Err(LabelError::Unknown(known)) => {
                let field = self.preparation.source.label_field.clone().unwrap_or_default();
                let reason = format!(
                    "is `{label}`, which is none of {known}: correct it, or give a table of labels that has it"
                );
                Ok(Err(PictureProblem::Field { field, reason }))
            }
            Err(LabelError::TooMany) => Err(PictureError::Labels(
                "are too many to be classes: choose another field".to_owned(),
            )),
        }
    }

    fn push(
        &mut self,
        raw: RawPicture,
        label: Option<u32>,
        decoded: &Decoded,
        is_misnamed: bool,
    ) -> Result<(), PictureError> {
        for (name, is_counted) in [
            ("pictures.first_frame_only", decoded.has_more_frames),
            ("pictures.composited", decoded.is_transparent),
            ("pictures.misnamed", is_misnamed),
        ] {
            self.ledger.add(name, u64::from(is_counted), Some(&raw.key));
        }
        if let Some(label) = label {
            self.labels.count(label);
        }
        let RawPicture { key, captions, .. } = raw;
        for (captions, has_one) in captions.iter().zip(&mut self.has_captions) {
            *has_one |= !captions.is_empty();
            self.ledger.add("captions.missing", u64::from(captions.is_empty()), Some(&key));
        }
        let (source, record) = (key.source.to_string(), key.record);
        self.writer.push(&decoded.picture, &StoredRecord { source, record, label, captions })
    }
}
