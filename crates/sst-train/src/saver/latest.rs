//! `latest`, the link to the newest checkpoint.

use std::fs;
use std::path::Path;

use super::{Checkpoint, Saver, remove};
use crate::error::TrainError;

pub(super) const LATEST: &str = "latest";

impl Saver {
    /// Points `latest` to `step` by renaming a new link over the old one.
    pub(super) fn point_latest_to(&self, step: u64) -> Result<(), TrainError> {
        self.take_in_latest()?;
        let link = self.folder().join(LATEST);
        let temporary = self.folder().join(format!("{LATEST}.tmp"));
        remove(&temporary)?;
        let target = self.path(step);
        let target = target.file_name().map(Path::new).unwrap_or(&target);
        std::os::unix::fs::symlink(target, &temporary)
            .and_then(|()| fs::rename(&temporary, &link))
            .map_err(TrainError::io(&link))?;
        self.sync()
    }

    /// Makes room for the link where `latest` is a folder or a file, as a copy of the run by `cp -L`, a zip
    /// archive or an object store leaves it. A checkpoint that lies there and nowhere else becomes `step-N`;
    /// what cannot be told to be a copy of one is renamed to `latest.aside`.
    ///
    /// # Errors
    /// If it cannot be read, renamed or removed.
    pub fn take_in_latest(&self) -> Result<(), TrainError> {
        let latest = self.folder().join(LATEST);
        match latest.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(TrainError::io(&latest)(error)),
            Ok(found) if found.is_symlink() => return Ok(()),
            // The text of a link, as archives for systems without links have it.
            Ok(found) if !found.is_dir() => return remove(&latest),
            Ok(_) => {}
        }
        let copy = Checkpoint::at(&latest).ok().flatten();
        if let Some(copy) = copy.filter(|copy| copy.verify().is_ok()) {
            let place = self.path(copy.step());
            if !place.exists() {
                fs::rename(&latest, &place).map_err(TrainError::io(&latest))?;
                tracing::warn!("{} is a folder: now {}", latest.display(), place.display());
                return self.sync();
            }
            if same_files(&latest, &place) && self.checkpoint(copy.step()).verify().is_ok() {
                tracing::warn!("{} is a copy of {}: removed", latest.display(), place.display());
                return remove(&latest);
            }
        }
        let aside = self.folder().join(format!("{LATEST}.aside"));
        remove(&aside)?;
        fs::rename(&latest, &aside).map_err(TrainError::io(&latest))?;
        tracing::warn!("{} is a folder and no link: now {}", latest.display(), aside.display());
        self.sync()
    }
}

/// Whether the manifests, which hold the hash of every file, are the same.
fn same_files(one: &Path, other: &Path) -> bool {
    let read = |folder: &Path| fs::read(folder.join(super::files::MANIFEST)).ok();
    read(one).is_some() && read(one) == read(other)
}
