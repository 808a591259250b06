//! Translations kept on disk, so that none is asked for twice.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{TranslateError, Translator, check_whole};
use crate::atomic;

/// A translator whose translations are kept in a folder, a file each, which several processes may share.
///
/// The file of a translation is named by the SHA-256 of translator and text and holds both: one that is
/// damaged, or of another text, counts as missing and is written again.
#[derive(Debug)]
pub struct Cached<T> {
    translator: T,
    folder: PathBuf,
}

/// What a file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    by: std::borrow::Cow<'a, str>,
    text: std::borrow::Cow<'a, str>,
    translation: std::borrow::Cow<'a, str>,
}

impl<T: Translator> Cached<T> {
    /// `translator`, with its translations in `folder`, which is made when the first is kept.
    pub fn new(translator: T, folder: impl Into<PathBuf>) -> Self {
        Self { translator, folder: folder.into() }
    }

    /// The file of a text's translation.
    fn path(&self, text: &str) -> PathBuf {
        // The lengths tell where the one ends and the other begins.
        let mut hash = Sha256::new();
        for part in [self.translator.name(), text] {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        let name: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
        self.folder.join(&name[..2]).join(format!("{}.json", &name[2..]))
    }

    /// The translation that is kept; `None` if there is none that can be trusted.
    fn read(&self, text: &str) -> Option<String> {
        let bytes = fs::read(self.path(text)).ok()?;
        let entry: Entry<'_> = serde_json::from_slice(&bytes).ok()?;
        let is_own = entry.by == self.translator.name() && entry.text == text;
        (is_own && !entry.translation.trim().is_empty()).then(|| entry.translation.into_owned())
    }

    /// Keeps a translation.
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
        // Side by side: each file is synced, and a disk syncs many in the time of one.
        let kept = &*self;
        asked.par_iter().zip(&new).try_for_each(|(text, answer)| kept.write(text, answer))?;
        for (at, answer) in missing.into_iter().zip(new) {
            answers[at] = Some(answer);
        }
        Ok(answers.into_iter().flatten().collect())
    }
}
