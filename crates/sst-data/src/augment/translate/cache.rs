//! Caches translations on disk, so that no text is translated twice.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{TranslateError, Translator, check_whole};
use crate::atomic;

/// A translator whose translations are cached in a folder, one file each. Several processes may share the folder.
///
/// The name of a file is the SHA-256 of translator and text, and the file contains both. A file that is damaged, or
/// belongs to another text, counts as missing and is written again.
#[derive(Debug)]
pub struct Cached<T> {
    translator: T,
    folder: PathBuf,
}

/// The contents of a file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    by: std::borrow::Cow<'a, str>,
    text: std::borrow::Cow<'a, str>,
    translation: std::borrow::Cow<'a, str>,
}

impl<T: Translator> Cached<T> {
    /// Caches the translations of `translator` in `folder`, which is created with the first translation.
    pub fn new(translator: T, folder: impl Into<PathBuf>) -> Self {
        Self { translator, folder: folder.into() }
    }

    /// The file of the translation of a text.
    fn path(&self, text: &str) -> PathBuf {
        // The lengths separate the two strings.
        let mut hash = Sha256::new();
        for part in [self.translator.name(), text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(&name[..2]).join(format!("{}.json", &name[2..]))
    }

    /// The cached translation; `None` if there is none, or it is damaged.
    fn read(&self, text: &str) -> Option<String> {
        let bytes = fs::read(self.path(text)).ok()?;
        let entry: Entry<'_> = serde_json::from_slice(&bytes).ok()?;
        let is_own = entry.by == self.translator.name() && entry.text == text;
        (is_own && !entry.translation.trim().is_empty()).then(|| entry.translation.into_owned())
    }

    /// Caches a translation.
    fn write(&self, text: &str, translation: &str) -> Result<(), TranslateError> {
        let path = self.path(text);
        let failed = |path: &Path, source| TranslateError::Cache { path: path.to_owned(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|source| failed(folder, source))?;
        }
        let (by, text, translation) =
            (self.translator.name().into(), text.into(), translation.into());
        let entry = Entry { by, text, translation };
        let bytes = serde_json::to_vec(&entry).map_err(|error| failed(&path, error.into()))?;
        atomic::write(&path, &bytes).map_err(|source| failed(&path, source))
    }
}

impl<T: Translator + Sync> Translator for Cached<T> {
    fn name(&self) -> &str {
        self.translator.name()
    }

    fn translate(&mut self, texts: &[String]) -> Result<Vec<String>, TranslateError> {
        let mut answers: Vec<Option<String>> = texts.iter().map(|text| self.read(text)).collect();
        let missing: Vec<usize> = (0..texts.len()).filter(|at| answers[*at].is_none()).collect();
        let asked: Vec<String> = missing.iter().map(|at| texts[*at].clone()).collect();
        let new = self.translator.translate(&asked)?;
        check_whole(self.translator.name(), &asked, &new)?;
        // The files are written in parallel, because each is synced, and a disk syncs many files in the time of one.
        let kept = &*self;
        asked.par_iter().zip(&new).try_for_each(|(text, answer)| kept.write(text, answer))?;
        for (at, answer) in missing.into_iter().zip(new) {
            answers[at] = Some(answer);
        }
        Ok(answers.into_iter().flatten().collect())
    }
}
