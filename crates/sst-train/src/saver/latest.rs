//! The symbolic link `latest`, which points to the newest checkpoint.

use std::fs;
use std::path::Path;

use super::{Checkpoint, Saver, remove};
use crate::error::TrainError;

/// The name of the link.
pub(super) const LATEST: &str = "latest";

impl Saver {
    /// Points `latest` to the checkpoint of `step`. A new link is renamed over the old one, so that there is a link at
    /// any time.
    pub(super) fn point_latest_to(&self, step: u64) -> Result<(), TrainError> {
        self.repair_latest()?;
        let link = self.folder().join(LATEST);
        let temporary = self.folder().join(format!("{LATEST}.tmp"));
        remove(&temporary)?;
        let checkpoint = self.path(step);
        let target = checkpoint.file_name().map(Path::new).unwrap_or(&checkpoint);
        std::os::unix::fs::symlink(target, &temporary)
            .and_then(|()| fs::rename(&temporary, &link))
            .map_err(TrainError::io(&link))?;
        self.sync()
    }

    /// Makes room for the link if `latest` is a folder or a file. It is one after the run was copied by `cp -L`, a zip
    /// archive or an object store, which do not keep links.
    ///
    /// - A file is removed. Such an archive stores a link as a file with the name of its target.
    /// - A folder with a complete checkpoint that is not in the folder of checkpoints is renamed to `step-N`.
    /// - A folder with a copy of a checkpoint that is there is removed.
    /// - Any other folder is renamed to `latest.aside`.
    ///
    /// # Errors
    /// If `latest` cannot be read, renamed or removed.
    pub fn repair_latest(&self) -> Result<(), TrainError> {
        let latest = self.folder().join(LATEST);
        match latest.symlink_metadata() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(TrainError::io(&latest)(error)),
            Ok(metadata) if metadata.is_symlink() => return Ok(()),
            Ok(metadata) if !metadata.is_dir() => return remove(&latest),
            Ok(_) => {}
        }
        let found = Checkpoint::at(&latest).ok().flatten();
        if let Some(found) = found.filter(|found| found.verify().is_ok()) {
            let path = self.path(found.step());
            if !path.exists() {
                fs::rename(&latest, &path).map_err(TrainError::io(&latest))?;
                tracing::warn!(
                    "{} was a folder and not a link; it is renamed to {}",
                    latest.display(),
                    path.display()
                );
                return self.sync();
            }
            if same_files(&latest, &path) && self.checkpoint(found.step()).verify().is_ok() {
                tracing::warn!(
                    "{} was a copy of {} and not a link; it is removed",
                    latest.display(),
                    path.display()
                );
                return remove(&latest);
            }
        }
        let aside = self.folder().join(format!("{LATEST}.aside"));
        remove(&aside)?;
        fs::rename(&latest, &aside).map_err(TrainError::io(&latest))?;
        tracing::warn!(
            "{} was a folder and not a link; it is renamed to {}",
            latest.display(),
            aside.display()
        );
        self.sync()
    }
}

/// Whether two checkpoints have the same manifest, which holds the hash of every file.
fn same_files(one: &Path, other: &Path) -> bool {
    let read = |folder: &Path| fs::read(folder.join(super::files::MANIFEST)).ok();
    read(one).is_some() && read(one) == read(other)
}
